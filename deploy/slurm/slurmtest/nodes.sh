# Parts of a Slurm, as functions that run on one of its hosts.

munge() {
	install -d -m 0755 -o munge -g munge /run/munge /var/lib/munge /var/log/munge
	chown munge:munge /etc/munge /etc/munge/munge.key
	setpriv --reuid munge --regid munge --clear-groups munged
}

database() {
	install -d -o mysql -g mysql /run/mysqld /var/lib/mysql
	mariadb-install-db --user=mysql --datadir=/var/lib/mysql --auth-root-authentication-method=socket --skip-test-db >/var/log/mariadb-install.log 2>&1
	cat >/run/mysqld/init.sql <<-'END'
		CREATE USER IF NOT EXISTS slurm@localhost;
		GRANT ALL ON slurm_acct_db.* TO slurm@localhost;
	END
	setsid mariadbd --user=mysql --datadir=/var/lib/mysql --skip-networking --skip-log-bin --innodb-buffer-pool-size=64M \
		--innodb-log-file-size=8M --innodb-lock-wait-timeout=900 --init-file=/run/mysqld/init.sql \
		>/var/log/mariadb.log 2>&1 </dev/null &
	until [ -S /run/mysqld/mysqld.sock ]; do sleep 0.1; done
}

accounting() { slurmdbd; }

controller() {
	mkdir -p /var/spool/slurmctld
	slurmctld
}

node() {
	mkdir -p /var/spool/slurmd
	slurmd
}

# stop PROGRAM
stop() {
	pkill -x "$1"
	while pgrep -x "$1" >/dev/null; do sleep 0.1; done
}
