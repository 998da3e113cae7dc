#!/usr/bin/env bash
# The first process of a machine of check.sh, which is a kernel of User-Mode Linux. Its
# root is that of the host, read only.
#
# Its kernel's command line sets NAME, ADDRESS, PARTS (the folder of the unpacked
# packages), HERE (the folder of this script) and COMMANDS (see commands.sh).
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
exec "$HERE/commands.sh"
