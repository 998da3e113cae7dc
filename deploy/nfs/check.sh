#!/usr/bin/env bash
# Runs the ranks of jobs on several machines that share a folder over NFS:
#
#	check.sh FOLDER BATCHSCORE MODEL IMAGE [SCENARIO...]
#
# The machines are kernels of User-Mode Linux: one is the NFS server, the others have a
# rank each, and every one has a clock of its own. FOLDER is for packages, disks, logs and
# the table; BATCHSCORE is the program, MODEL an ONNX file without a contract, of which
# only the form counts, since the device is simulated, and IMAGE a JPEG file. It needs root
# and apt, and changes nothing outside of FOLDER: packages are unpacked, not installed.
# scenarios.sh has the scenarios, of which the named ones run, or all.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
base=$(realpath -m "$1") program=$(realpath "$2") model=$(realpath "$3") image=$(realpath "$4")
parts=$base/packages

die() {
	printf 'nfs-check: error: %s\n' "$*" >&2
	exit 1
}

[ "$(id -u)" = 0 ] || die 'it makes machines and networks: run it as root'
# The network, the mounts and the processes of the check end with it.
if [ -z "${BATCHSCORE_NFS_CHECK_INSIDE:-}" ]; then
	# apt still needs this machine's network.
	mkdir -p "$parts/debs"
	if [ ! -e "$parts/complete" ]; then
		(cd "$parts/debs" && apt-get -o APT::Sandbox::User=root -qq download user-mode-linux nfs-common nfs-kernel-server rpcbind \
			libnfsidmap1 libtirpc3 libtirpc-common libevent-core-2.1-7 libwrap0 libkeyutils1 libdevmapper1.02.1 kmod libkmod2) ||
			die "apt cannot download what it needs: 'apt-get update', then run again"
		for deb in "$parts"/debs/*.deb; do dpkg-deb -x "$deb" "$parts"; done
		ln -sfn ../usr/lib/uml/modules "$parts/lib/modules"
		ln -sfn ../bin/kmod "$parts/sbin/modprobe"
		: >"$parts/complete"
	fi
	BATCHSCORE_NFS_CHECK_INSIDE=yes exec unshare --mount --net --pid --fork --kill-child --mount-proc -- "${BASH_SOURCE[0]}" "$@"
fi
shift 4

# shellcheck source=deploy/nfs/machines.sh
. "$here/machines.sh"
# shellcheck source=deploy/nfs/scenarios.sh
. "$here/scenarios.sh"

table=$base/table.txt
mkdir -p "$base/results"
: >"$table"
row() { printf '%-22s %-12s %-4s %-16s %5s %5s %8s %8s  %s\n' "$@" | tee -a "$table"; }

network
make_images
boot_server
for i in 1 2 3; do boot_client "$i"; done
kernel=$(cat "$base/machines/server/ready")
echo "server and clients: Linux ${kernel#ready } (User-Mode Linux), nfsd and its client" | tee -a "$table"
row scenario engine NFS 'exit codes' rows lost doubled seconds notes
failures=0
[ $# -gt 0 ] || set -- "${scenarios[@]}"
for name in "$@"; do
	declare -F "scenario_$name" >/dev/null || die "there is no scenario $name; there are: ${scenarios[*]}"
	codes='' note='' wrong='' version='' began=$SECONDS
	"scenario_$name" >"$base/results/$name.log" 2>&1 || wrong="$wrong, the scenario itself failed"
	[ -z "$wrong" ] || failures=$((failures + 1))
	row "$name" "local ranks" "${version:--}" "${codes# }" "$rows" "$lost" "$doubled" "$((SECONDS - began))" "${wrong:+WRONG: ${wrong#, }; }$note"
	tidy
done
[ "$failures" = 0 ] || die "$failures scenarios ended otherwise than they should; see $base/results"
echo 'nfs-check: every scenario ended as it should'
