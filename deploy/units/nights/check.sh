#!/usr/bin/env bash
# Has a real systemd run the units of nightly scoring, night after night:
#
#	check.sh FOLDER BATCHSCORE LIBRARY MODEL IMAGES
#
# The machine is a kernel of User-Mode Linux with a root of this machine's distribution, in
# which systemd is the first process. Its clock is moved from night to night, and this
# machine's is not. FOLDER is for packages, the root, logs and the report; BATCHSCORE is the
# program, LIBRARY the file of ONNX Runtime, MODEL an ONNX file without a contract and
# IMAGES a folder with 40 images or more, also in folders below it. It needs root, apt and
# debootstrap, and changes nothing outside of FOLDER: packages are unpacked, not installed.
# nights.sh says what happens.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
base=$(realpath -m "$1") program=$(realpath "$2") library=$(realpath "$3") model=$(realpath "$4") images=$(realpath "$5")
parts=$base/packages

die() {
	printf 'systemd-check: error: %s\n' "$*" >&2
	exit 1
}

[ "$(id -u)" = 0 ] || die 'it makes a machine: run it as root'
# The network, the mounts and the processes of the check end with it.
if [ -z "${BATCHSCORE_SYSTEMD_CHECK_INSIDE:-}" ]; then
	# apt still needs this machine's network.
	mkdir -p "$parts/debs"
	if [ ! -e "$parts/complete" ]; then
		(cd "$parts/debs" && apt-get -o APT::Sandbox::User=root -qq download user-mode-linux) ||
			die "apt cannot download user-mode-linux: 'apt-get update', then run again"
		dpkg-deb -x "$parts"/debs/user-mode-linux_*.deb "$parts"
		: >"$parts/complete"
	fi
	if [ ! -e "$base/root.made" ]; then
		rm -rf --one-file-system "$base/root"
		"$here/../../image/base.sh" "$base/root"
		cp /etc/resolv.conf /etc/hosts "$base/root/etc/"
		chroot "$base/root" sh -c 'export DEBIAN_FRONTEND=noninteractive
			apt-get -qq update && apt-get -qq install -y --no-install-recommends systemd-sysv libturbojpeg0' >"$base/root.log" 2>&1 ||
			die "systemd cannot be installed: see $base/root.log"
		: >"$base/root.made"
	fi
	BATCHSCORE_SYSTEMD_CHECK_INSIDE=yes exec unshare --mount --net --pid --fork --kill-child --mount-proc -- "${BASH_SOURCE[0]}" "$@"
fi

# shellcheck source=deploy/nfs/machines.sh
. "$here/../../nfs/machines.sh"
# shellcheck source=deploy/units/nights/nights.sh
. "$here/nights.sh"

report=$base/report.txt
: >"$report"
say() { printf '%s\n' "$*" | tee -a "$report"; }

# install_units copies what an operator installs into the root, and what this check needs.
install_units() {
	local root=$base/machines/root
	cp -a "$base/root" "$root"
	install -m 0755 "$program" "$root/usr/local/bin/batchscore"
	install -m 0644 "$library" "$root/usr/local/lib/"
	install -D -m 0644 "$model" "$root/srv/models/model.onnx"
	install -m 0644 -t "$root/etc/systemd/system" "$here"/../batchscore*.service "$here"/../batchscore*.timer
	install -D -m 0640 -t "$root/etc/batchscore" "$here"/../{nightly,export}.env
	install -m 0600 /dev/null "$root/etc/batchscore/storage.credentials"
	# The images are not scored before they are moved to /srv/images.
	mkdir -p "$root/srv/pool" "$root/srv/images" "$root/var/log/journal"
	find "$images" -type f -exec cp -t "$root/srv/pool" {} +
	[ "$(find "$root/srv/pool" -type f | wc -l)" -ge 40 ] || die "$images has fewer than 40 images, and some have to be left for later nights"
	install -m 0755 "$here/../../nfs/commands.sh" "$root/usr/local/lib/commands.sh"
	cat >"$root/etc/systemd/system/check.service" <<'UNIT'
[Unit]
Description=What the check asks for
[Service]
ExecStartPre=/bin/mkdir -p /run/commands
ExecStartPre=/bin/sh -c 'mount -t hostfs -o "$$(grep -o "COMMANDS=[^ ]*" /proc/cmdline | cut -d= -f2)" none /run/commands'
ExecStart=/usr/local/lib/commands.sh
[Install]
WantedBy=multi-user.target
UNIT
	chroot "$root" systemctl -q enable check.service
	# Otherwise the check waits for minutes.
	mkdir -p "$root"/etc/systemd/system/batchscore.{service,timer}.d
	printf '[Timer]\nRandomizedDelaySec=0\n' >"$root/etc/systemd/system/batchscore.timer.d/check.conf"
	printf '[Service]\nRestartSec=2s\n' >"$root/etc/systemd/system/batchscore.service.d/check.conf"
	truncate -s 1500M "$base/machines/disk"
	mkfs.ext4 -q -F -m 0 -d "$root" "$base/machines/disk"
	rm -rf --one-file-system "$root"
}

# power boots the machine with its disk.
power() {
	boot night 1 mem=768M "ubd0=$base/machines/disk" root=/dev/ubda rootfstype=ext4 rootflags= rw init=/sbin/init systemd.show_status=0
}

network
install_units
began=$SECONDS
power
wrong=0
for night in "${nights[@]}"; do
	say "== ${night//_/ }"
	if "night_$night" >"$base/$night.log" 2>&1; then
		say "   as it should be ($((SECONDS - began)) s)"
	else
		wrong=$((wrong + 1))
		say "   WRONG: $(tail -n 3 "$base/$night.log")"
	fi
	began=$SECONDS
done
[ "$wrong" = 0 ] || die "$wrong of ${#nights[@]} nights went wrong: see $base/*.log"
echo "systemd-check: all nights went as they should; see $report"
