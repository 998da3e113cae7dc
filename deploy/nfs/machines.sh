# Machines, which are kernels of User-Mode Linux, and what they are asked to do: those of
# check.sh, and of deploy/units/nights.
# shellcheck shell=bash
# shellcheck disable=SC2154 # base, parts: check.sh

machines=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

server=10.77.0.9
disk=/srv/disk

network() {
	# Disks and commands are in memory, so that other work on this machine's disk does not slow them down.
	mkdir -p "$base/machines"
	mount -t tmpfs tmpfs "$base/machines"
	mkfifo "$base/machines/never"
	exec {never}<>"$base/machines/never"
	ip link set lo up
	ip link add bridge0 type bridge
	ip link set bridge0 up
}

# boot NAME NUMBER ARGUMENT...: starts a machine and waits until it takes commands.
declare -A machine
boot() {
	local name=$1 number=$2 folder=$base/machines/$1
	shift 2
	rm -rf "$folder"
	mkdir -p "$folder"
	if ! ip link show "tap$number" >/dev/null 2>&1; then
		ip tuntap add dev "tap$number" mode tap
		ip link set "tap$number" master bridge0 up
	fi
	unshare --pid --fork --kill-child "$parts/usr/bin/linux.uml" mem=256M root=/dev/root rootfstype=hostfs rootflags=/ ro \
		"eth0=tuntap,tap$number,52:54:00:00:00:0$number," con=null con0=null,fd:1 "umid=$name" "uml_dir=$folder/" \
		"NAME=$name" "ADDRESS=10.77.0.$number" "PARTS=$parts" "HERE=$machines" "COMMANDS=$folder" "init=$machines/guest.sh" "$@" \
		>"$base/$name.log" 2>&1 </dev/null &
	machine[$name]=$!
	for _ in $(seq 600); do
		[ ! -e "$folder/ready" ] || return 0
		sleep 0.2
	done
	die "the machine $name does not start: see $base/$name.log"
}

# Signals reach a machine at its kernel, which is the only child of unshare.
signal() { kill "-$1" "$(pgrep -P "${machine[$2]}")"; }
lose() {
	signal KILL "$1"
	wait "${machine[$1]}" 2>/dev/null || true
}

# start NAME COMMAND: runs it in the background. await NAME NUMBER: its output and status, which is 124 after ten minutes.
commands=0
start() {
	commands=$((commands + 1))
	# In $(on ...) the number is counted in a subshell, so it comes again.
	rm -f "$base/machines/$1/$commands".{rc,out}
	printf '%s\n' "$2" >"$base/machines/$1/$commands.new"
	mv "$base/machines/$1/$commands.new" "$base/machines/$1/$commands.go"
}
await() {
	local at=$base/machines/$1/$2 until=$((SECONDS + 600))
	while [ ! -e "$at.rc" ]; do
		read -rt 0.3 -u "$never" || true # sleeps, without a process
		[ "$SECONDS" -lt "$until" ] || { cat "$at.out"; return 124; }
		kill -0 "${machine[$1]}" 2>/dev/null || return 137
	done
	cat "$at.out"
	return "$(cat "$at.rc")"
}
on() {
	start "$1" "$2"
	await "$1" "$commands"
}

# boot_server [FSID] starts the server; with another FSID than 0, it does not know the handles that it gave out before.
boot_server() {
	local size=64M
	if [ ! -e "$base/machines/disk" ]; then
		truncate -s "$size" "$base/machines/disk"
		mkfs.ext4 -q -F -m 0 "$base/machines/disk"
	fi
	boot server 9 "ubd1=$base/machines/disk"
	on server "set -e
		modprobe -d $parts nfsd
		mount -t nfsd nfsd /proc/fs/nfsd
		mount --bind /tmp /srv 2>/dev/null || mount -t tmpfs tmpfs /srv
		mkdir $disk && mount /dev/ubdb $disk
		rpcbind -w
		for i in \$(seq 100); do [ ! -S /run/rpcbind.sock ] || break; sleep 0.1; done
		rpc.mountd 2>/dev/null
		exportfs -o rw,no_root_squash,no_subtree_check,fsid=${1:-0} '*:$disk'
		rpc.nfsd --lease-time 10 --grace-time 10 8"
}

boot_client() {
	boot "c$1" "$1"
	on "c$1" "modprobe -d $parts nfsv3 && modprobe -d $parts nfsv4"
}

# share OPTIONS CLIENT...: mounts the server's folder at /mnt/share of these clients. The kernel says which version it is.
share() {
	local options=$1 from=$server:/ client
	shift
	case ,$options, in *,vers=3,*) from=$server:$disk ;; esac
	for client; do on "$client" "mkdir -p /mnt/share && mount.nfs $from /mnt/share -o $options"; done
	version=$(on "$client" "grep -o ',vers=[0-9.]*' /proc/mounts")
	version=${version##*=}
}

# tidy ends what a scenario left, so that the next one finds all machines and clocks as they were.
tidy() {
	local client now
	for client in c1 c2 c3; do
		if ! kill -0 "${machine[$client]}" 2>/dev/null; then boot_client "${client#c}"; fi
		on "$client" 'pkill -9 batchscore; exec 2>/dev/null; umount -f /mnt/share || umount -l /mnt/share; true' >/dev/null || true
	done
	now=$(date +%s)
	for client in c1 c2 c3 server; do on "$client" "date -s @$now" >/dev/null; done
}
