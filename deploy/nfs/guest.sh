#!/usr/bin/env bash
# The first process of a machine of check.sh, which is a kernel of User-Mode Linux. Its
# root is that of the host, read only. It runs what it finds in its folder of commands,
# each in the background: N.go is the command, N.out what it printed, N.rc its status.
#
# Its kernel's command line sets NAME, ADDRESS, PARTS (the folder of the unpacked
# packages) and COMMANDS (the folder of commands).
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PARTS/usr/sbin:$PARTS/sbin
export PATH LD_LIBRARY_PATH=$PARTS/usr/lib/x86_64-linux-gnu:$PARTS/lib/x86_64-linux-gnu HOME=/tmp TERM=dumb
mount -t proc proc /proc
mount -t sysfs sysfs /sys
for at in /run /tmp /var/lib /mnt; do mount -t tmpfs tmpfs "$at"; done
mkdir -p /run/commands /run/etc /run/rpcbind /var/lib/nfs/sm /var/lib/nfs/sm.bak /var/lib/nfs/v4recovery /var/lib/nfs/rpc_pipefs
mount -t hostfs -o "$COMMANDS" none /run/commands
cp /etc/passwd /etc/group /etc/nsswitch.conf /etc/ld.so.cache /etc/services /etc/protocols "$PARTS/etc/netconfig" /run/etc/ 2>/dev/null
: >/run/etc/exports
echo '_rpc:x:65533:65534::/run/rpcbind:/usr/sbin/nologin' >>/run/etc/passwd
: >/var/lib/nfs/etab
: >/var/lib/nfs/rmtab
mount --bind /run/etc /etc
hostname "$NAME"
ip link set lo up
ip address add "$ADDRESS/24" dev eth0
ip link set eth0 up
mkfifo /run/never
exec 3<>/run/never
echo "ready $(uname -r)" >/run/commands/ready
while :; do
	for go in /run/commands/*.go; do
		[ -e "$go" ] || continue
		at=${go%.go}
		mv "$go" "$at.sh"
		(
			bash "$at.sh" >"$at.out" 2>&1 </dev/null
			echo $? >"$at.now"
			mv "$at.now" "$at.rc"
		) &
	done
	read -rt 0.3 -u 3 || true # sleeps, without a process
done
