#!/bin/sh
# Turns the root of a Debian or Ubuntu system into an image that ranks run in: with
# what the worker needs, Open MPI, and a user for the MPI operator's ranks. Runs as
# root inside that root, with sshd_config next to it.
#
#	system.sh [SNAPSHOT]
#
# With SNAPSHOT, a time in UTC as 20261101T000000Z, the packages are those of that time.
# Debian's slim images name the archive of all times in a comment of their sources.
set -eu

here=$(dirname "$0")
user=mpiuser
id=10001
home=/home/$user

export DEBIAN_FRONTEND=noninteractive
snapshot=${1:-}
sources=/etc/apt/sources.list.d/debian.sources
case $snapshot in
'') ;;
[0-9][0-9][0-9][0-9][0-1][0-9][0-3][0-9]T[0-2][0-9][0-5][0-9][0-5][0-9]Z)
	cp -p "$sources" /tmp/sources || {
		echo "system.sh: no snapshot: this base has no $sources" >&2
		exit 1
	}
	# The line after the comment says where packages come from.
	sed -i -E "/^# .*\/[0-9]{8}T[0-9]{6}Z\$/ { N; s|^# (.*/)[^/]*\nURIs: .*|URIs: \1$snapshot| }" "$sources"
	! cmp -s "$sources" /tmp/sources || {
		echo "system.sh: no snapshot: no comment in $sources names an archive of all times" >&2
		exit 1
	}
	echo 'Acquire::Check-Valid-Until "false";' >/etc/apt/apt.conf.d/50batchscore-snapshot
	;;
*)
	echo "system.sh: the snapshot $snapshot is not a time such as 20261101T000000Z" >&2
	exit 64
	;;
esac
apt-get -qq update
# The library is named without its version in Ubuntu. procps has pgrep and pkill,
# by which ranks are asked to drain before a pod ends.
turbojpeg=libturbojpeg0
apt-cache show "$turbojpeg" >/dev/null 2>&1 || turbojpeg=libturbojpeg
# Decoders of HEIC, AVIF, JPEG XL and JPEG 2000, as the distribution has them.
decoders=
for package in libheif1 libheif-plugin-libde265 libavif16 libavif15 libavif13 libjxl0.11 libjxl0.7 libopenjp2-7; do
	! apt-cache show "$package" >/dev/null 2>&1 || decoders="$decoders $package"
done
# Open MPI depends on hwloc's plugins, which tell of graphics cards and draw pictures of
# machines, by 80 MB of libraries. mpirun needs none of them. A package in their place, with
# nothing in it, says so to dpkg and to those who install more on top of this image.
stand_in=$(mktemp -d)
mkdir "$stand_in/DEBIAN"
cat >"$stand_in/DEBIAN/control" <<CONTROL
Package: batchscore-no-hwloc-plugins
Version: 1
Architecture: all
Maintainer: the authors of batchscore <none@invalid>
Provides: libhwloc-plugins
Conflicts: libhwloc-plugins
Description: stands in for the plugins of hwloc, which mpirun does not need here
CONTROL
dpkg-deb --root-owner-group --build "$stand_in" "$stand_in.deb" >/dev/null
# shellcheck disable=SC2086 # the decoders are words
apt-get -qq install --yes --no-install-recommends \
	ca-certificates libstdc++6 "$turbojpeg" $decoders openmpi-bin openssh-client openssh-server procps "$stand_in.deb" >/dev/null
apt-get -qq check
rm -rf "$stand_in" "$stand_in.deb" /var/lib/apt/lists/* /var/cache/apt/*.bin /etc/apt/apt.conf.d/50batchscore-snapshot
[ -z "$snapshot" ] || mv /tmp/sources "$sources"
# Host keys that everybody has are useless; the operator mounts the job's own.
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub

groupadd --gid "$id" "$user"
# The account has no valid password but is not locked, so that keys open it.
useradd --uid "$id" --gid "$id" --create-home --shell /bin/bash --password '*' "$user"
install -m 0644 "$here/sshd_config" "$home/.sshd_config"
# A job may run as another user, who starts there.
chmod 0755 "$home"
# The operator mounts the key here.
install -d -m 0700 -o "$user" -g "$user" "$home/.ssh"

# Pods of a job are new each time, and so are their addresses.
cat >/etc/ssh/ssh_config.d/mpi.conf <<CONFIG
Host *
    Port 2222
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
    LogLevel ERROR
CONFIG
