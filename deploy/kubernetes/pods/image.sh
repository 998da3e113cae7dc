#!/usr/bin/env bash
# Makes the image of ranks without a container engine, from the steps of deploy/image, in
# an archive:
#
#	image.sh ARCHIVE BATCHSCORE LIBRARY
#
# BATCHSCORE is the program, LIBRARY a folder with ONNX Runtime's libraries. The packages
# of this machine's distribution, next to ARCHIVE in base.tar, are made once. It needs root
# and debootstrap.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
image=$here/../../image
archive=$1 program=$2 library=$3
work=$(dirname "$archive")
base=$work/base.tar

die() {
	printf 'pods: error: %s\n' "$*" >&2
	exit 1
}

# Mounts and processes end with it.
if [ -z "${BATCHSCORE_PODS_IMAGE_INSIDE:-}" ]; then
	mkdir -p "$work"
	BATCHSCORE_PODS_IMAGE_INSIDE=yes exec unshare --mount --pid --fork --kill-child -- "${BASH_SOURCE[0]}" "$@"
fi

if [ ! -e "$base" ] || [ "$image/system.sh" -nt "$base" ]; then
	root=$work/root
	rm -rf --one-file-system "$root"
	"$image/base.sh" "$root" >"$work/base.log" 2>&1 || die "no base: see $work/base.log"
	mount -t proc proc "$root/proc"
	cp /etc/resolv.conf /etc/hosts "$root/etc/"
	mkdir "$root/src"
	cp "$image"/{system.sh,sshd_config} "$root/src/"
	chroot "$root" /src/system.sh >>"$work/base.log" 2>&1 || die "system.sh failed: see $work/base.log"
	umount "$root/proc"
	rm -rf "$root/src" "$root"/var/cache/apt/*.bin "$root"/etc/{resolv.conf,hosts}
	tar -C "$root" --numeric-owner --one-file-system --exclude='./proc/*' --exclude='./sys/*' --exclude='./dev/*' -cf "$base.part" .
	mv "$base.part" "$base"
	rm -rf --one-file-system "$root"
fi
app=$work/app
rm -rf "$app"
install -D -m 0755 "$program" "$app/usr/local/bin/batchscore"
install -D -m 0644 -t "$app/usr/local/lib" "$library"/*.so*
tar -C "$app" --owner=0 --group=0 -cf "$work/app.tar" .
"$here/pack.sh" "$archive" localhost/batchscore:pods \
	'{"User": "10001:10001", "WorkingDir": "/home/mpiuser", "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}' \
	"$base" "$work/app.tar"
rm -rf "$app" "$work/app.tar"
