# The first process of the router, with the names of the hosts as arguments. In its mounts
# are the disks of the hosts, with the keys of their sshd.
set -eu
exec 3>&1 >/dev/null
mount --make-rprivate /
mount -t tmpfs -o mode=0755 hosts /mnt
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
ssh-keygen -q -t ed25519 -N '' -C root -f /mnt/user
number=0
for name; do
	number=$((number + 1))
	address=10.77.0.$number
	disk=/mnt/$name
	# Nothing answers for a host that is not there.
	ip route add blackhole "$address" metric 1000
	mkdir -p "$disk"/{dev,home,mnt,proc,run,sys,tmp,usr,var/{cache,lib,log,spool,tmp}} "$disk"/root/.ssh
	ln -s /run "$disk/var/run"
	for top in bin lib lib32 lib64 libx32 sbin; do
		[ ! -L "/$top" ] || cp -a "/$top" "$disk/$top"
	done
	cp -a /etc "$disk/etc"
	rm -rf "$disk"/etc/ssh/ssh_host_* "$disk"/etc/ssh/ssh{,d}_config.d "$disk/etc/resolv.conf"
	touch "$disk/etc/resolv.conf"
	echo "$name" >"$disk/etc/hostname"
	ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$disk/etc/ssh/ssh_host_ed25519_key"
	cat >"$disk/etc/ssh/sshd_config" <<-END
		HostKey /etc/ssh/ssh_host_ed25519_key
		PidFile /run/sshd.pid
		UsePAM no
		PasswordAuthentication no
		PermitRootLogin prohibit-password
		MaxStartups 100
	END
	cp /mnt/user "$disk/root/.ssh/id_ed25519"
	cp /mnt/user.pub "$disk/root/.ssh/authorized_keys"
	chmod 0700 "$disk/root" "$disk/root/.ssh"
	chmod 1777 "$disk/tmp" "$disk/var/tmp"
	echo "$address $name" >>/mnt/hosts
	echo "$name,$address $(cut -d' ' -f1,2 "$disk/etc/ssh/ssh_host_ed25519_key.pub")" >>/mnt/known_hosts
done
for name; do
	{
		echo 127.0.0.1 localhost
		cat /mnt/hosts
	} >"/mnt/$name/etc/hosts"
	cp /mnt/known_hosts "/mnt/$name/root/.ssh/known_hosts"
done
echo ready >&3
exec 3>&-
while read -r _; do :; done
