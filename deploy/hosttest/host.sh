# The first process of a host, in the mounts of the router. Its arguments are the name of the
# host, the number of shared folders, these, and the folders that it can only read.
set -eu
exec 3>&1 >/dev/null
name=$1 shared=$2
shift 2
disk=/mnt/$name
mount --make-rprivate /
mount --rbind "$disk" "$disk"
cd "$disk"
see() { # FOLDER [OPTIONS]
	mkdir -p ".$1"
	mount --rbind "$1" ".$1"
	[ $# = 1 ] || mount -o "remount,bind,$2" ".$1"
}
see /usr ro
for top in bin lib lib32 lib64 libx32 sbin; do
	[ ! -d "/$top" ] || [ -L "/$top" ] || see "/$top" ro
done
mount -t tmpfs -o mode=1777 tmp tmp
mount -t tmpfs -o mode=0755 run run
mkdir run/sshd run/lock
mount -t proc proc proc
mount -t sysfs sysfs sys
[ ! -d /sys/fs/cgroup ] || mount --rbind /sys/fs/cgroup sys/fs/cgroup
mount -t tmpfs -o mode=0755 dev dev
for node in full fuse null random tty urandom zero; do
	[ ! -c "/dev/$node" ] || cp -a "/dev/$node" dev/
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
for folder; do
	if [ "$shared" -gt 0 ]; then see "$folder"; else see "$folder" ro; fi
	shared=$((shared - 1))
done
mkdir -p mnt/old
pivot_root . mnt/old
cd /
umount -l /mnt/old
rmdir /mnt/old
hostname "$name"
ip link set lo up
/usr/sbin/sshd -E /var/log/sshd.log
echo ready >&3
exec 3>&-
# Ends with the test. Meanwhile bash reaps what was left by its parent.
while read -r _; do :; done
