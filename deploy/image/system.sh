#!/bin/sh
# Turns the root of a Debian or Ubuntu system into an image that ranks run in: with
# what the worker needs, Open MPI, and a user for the MPI operator's ranks. Runs as
# root inside that root, with sshd_config next to it.
#
#	system.sh [SNAPSHOT]
#
# With SNAPSHOT, a time in UTC as 20261101T000000Z, the packages are those of that time;
# the apt of Ubuntu 24.04 and of Debian 13, or newer, can do this.
set -eu

here=$(dirname "$0")
user=mpiuser
id=10001
home=/home/$user

export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
case ${1:-} in
'') ;;
[0-9][0-9][0-9][0-9][0-1][0-9][0-3][0-9]T[0-2][0-9][0-5][0-9][0-5][0-9]Z)
	# Snapshots are read over TLS, and a base image has no certificates.
	apt-get -qq install --yes --no-install-recommends ca-certificates >/dev/null
	echo "APT::Snapshot \"$1\";" >/etc/apt/apt.conf.d/50batchscore-snapshot
	apt-get -qq update
	;;
*)
	echo "system.sh: the snapshot $1 is not a time such as 20261101T000000Z" >&2
	exit 64
	;;
esac
# The library is named without its version in Ubuntu. procps has pgrep and pkill,
# by which ranks are asked to drain before a pod ends.
turbojpeg=libturbojpeg0
apt-cache show "$turbojpeg" >/dev/null 2>&1 || turbojpeg=libturbojpeg
apt-get -qq install --yes --no-install-recommends \
	ca-certificates libstdc++6 "$turbojpeg" openmpi-bin openssh-client openssh-server procps >/dev/null
rm -rf /var/lib/apt/lists/* /etc/apt/apt.conf.d/50batchscore-snapshot
# Host keys that everybody has are useless; the operator mounts the job's own.
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub

groupadd --gid "$id" "$user"
# The account has no valid password but is not locked, so that keys open it.
useradd --uid "$id" --gid "$id" --create-home --shell /bin/bash --password '*' "$user"
install -m 0644 "$here/sshd_config" "$home/.sshd_config"
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
