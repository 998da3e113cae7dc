#!/usr/bin/env bash
# Runs the steps of the image without a container engine, in a fresh root of
# this machine's distribution, and the worker in it as the image's user:
#
#	check.sh ROOT BATCHSCORE LIBRARY MODEL IMAGES...
#
# ROOT is a folder that is created and kept; BATCHSCORE the program, LIBRARY a
# folder with ONNX Runtime's libraries, MODEL an ONNX file, IMAGES are images to
# score. It needs root and debootstrap. Packages come from apt's own sources.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$1 program=$2 library=$3 model=$4
shift 4

die() {
	printf 'image-check: error: %s\n' "$*" >&2
	exit 1
}
step() { printf '\n== %s\n' "$*"; }

[ "$(id -u)" = 0 ] || die 'it makes a root file system: run it as root'
python3 -m pip --version >/dev/null || die 'Python with pip is missing: apt-get install python3-pip'
[ ! -e "$root" ] || die "$root exists: remove it first"

# Mounts and processes of the check end with it.
if [ -z "${BATCHSCORE_IMAGE_CHECK_INSIDE:-}" ]; then
	BATCHSCORE_IMAGE_CHECK_INSIDE=yes exec unshare --mount --pid --fork --kill-child -- \
		"${BASH_SOURCE[0]}" "$root" "$program" "$library" "$model" "$@"
fi

step 'a minimal system'
"$here/base.sh" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
# The network is this machine's.
cp /etc/resolv.conf /etc/hosts "$root/etc/"

step 'system.sh'
install -D -m 0755 "$here/system.sh" "$root/src/system.sh"
install -D -m 0644 "$here/sshd_config" "$root/src/sshd_config"
chroot "$root" /src/system.sh
install -m 0644 "$library"/*.so* "$root/usr/local/lib/"
install -m 0755 "$program" "$root/usr/local/bin/batchscore"
install -D -m 0644 -t "$root/srv/images" "$@"
install -m 0644 "$model" "$root/srv/model.onnx"
install -d -o 10001 -g 10001 "$root/srv/out"

# As the image starts its processes: without root and without this machine's
# environment.
as_user() {
	chroot --userspec=10001:10001 "$root" /usr/bin/env -i HOME=/home/mpiuser PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

step 'batchscore doctor'
as_user batchscore doctor

step 'two ranks score'
as_user sh -c 'cd && mpirun -np 2 --oversubscribe --bind-to none batchscore run --images /srv/images --out /srv/out/result --model /srv/model.onnx'
as_user batchscore verify /srv/out/result

step 'sshd, as the MPI operator starts it'
# The operator mounts these, owned by root.
ssh-keygen -q -t rsa -N '' -C '' -f "$root/home/mpiuser/.ssh/id_rsa"
cp "$root/home/mpiuser/.ssh/id_rsa.pub" "$root/home/mpiuser/.ssh/authorized_keys"
chmod 0755 "$root/home/mpiuser/.ssh"
chmod 0644 "$root/home/mpiuser/.ssh/id_rsa"
as_user /usr/sbin/sshd -De -f /home/mpiuser/.sshd_config &
for try in 1 2 3 4 5 6 7 8 9 10; do
	as_user ssh 127.0.0.1 command -v orted batchscore blkid && break
	[ "$try" != 10 ] || die 'sshd does not let the user in'
	sleep 1
done

step 'a worker drains before its pod ends'
as_user ssh 127.0.0.1 batchscore run --images /srv/images --out /srv/out/drained --model /srv/model.onnx \
	--provider simulate:rate=0.1 --batch 1 --chunk 1 >"$root.drained" 2>&1 &
rank=$!
until as_user pgrep -x batchscore >/dev/null; do sleep 0.1; done
until [ -e "$root/srv/out/drained/_batchscore/job.json" ]; do sleep 0.1; done
# The preStop hook of deploy/kubernetes, with what it finds next to it.
install -d -o 10001 -g 10001 "$root/srv/worker"
install -m 0644 "$here/../kubernetes/worker.sh" "$root/srv/worker/worker.sh"
printf 'batchscore\n20\n' >"$root/srv/worker/settings"
as_user sh /srv/worker/worker.sh drain
wait "$rank" && code=0 || code=$?
[ "$code" = 143 ] || die "the rank ended with $code, not 143: see $root.drained"

step 'the libraries of the variant for GPUs, whose CPU provider is all that works here'
"$here/../deps/fetch.sh" gpu cuda12
rm "$root"/usr/local/lib/libonnxruntime*
libraries=/opt/onnxruntime/lib
mkdir -p "$root$libraries"
mount --bind "${BATCHSCORE_CACHE:-$here/../../.cache}/onnxruntime-gpu/cuda12" "$root$libraries"
as_user batchscore doctor | tee "$root.doctor"
grep -q "for CUDA 12, $libraries" "$root.doctor" || die 'doctor did not find the library for CUDA 12'
# ONNX Runtime itself has the function; the driver is not here.
as_user LD_LIBRARY_PATH=$libraries ldd -r $libraries/libonnxruntime_providers_cuda.so 2>&1 | tee "$root.ldd"
! grep -E 'not found|undefined' "$root.ldd" | grep -vE 'libcuda.so.1|Provider_GetHost' || die 'the CUDA provider lacks libraries or functions: see above'
as_user batchscore run --images /srv/images --out /srv/out/gpu --model /srv/model.onnx

printf '\nimage-check: all steps work in %s\n' "$root"
