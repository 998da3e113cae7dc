#!/usr/bin/env bash
# archive.sh OUT.tar.gz BINARY LIBRARIES MODEL IMAGES [slim]: packs all that gpu-check needs
# into one file, for a machine with a GPU that has no network and no source tree.
#
#	BINARY     batchscore
#	LIBRARIES  the folder of "make deps-gpu" with ONNX Runtime, CUDA and cuDNN
#	MODEL      an ONNX model in one file, which classifies
#	IMAGES     a folder of photographs
#
# With slim, the libraries of CUDA and cuDNN are left out, for a machine that has them: from
# the packages of PyTorch, say. run.sh says where it looks for them.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
[ $# = 5 ] || { [ $# = 6 ] && [ "$6" = slim ]; } || { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 64; }
out=$1 binary=$2 libraries=$3 model=$4 images=$5 slim=${6:-}
[ -f "$libraries/libonnxruntime_providers_cuda.so" ] ||
	{ echo "archive.sh: $libraries has no ONNX Runtime for GPUs: make deps-gpu fetches it" >&2; exit 78; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
root=$scratch/batchscore-gpu-check
mkdir -p "$root/lib" "$(dirname "$out")"

cp "$binary" "$root/batchscore"
cp "$here/run.sh" "$root/run.sh"
cp "$here"/../../../{LICENSE,NOTICE} "$root/"
cp "$model" "$root/model.onnx"
cp -RL "$images" "$root/images"
if [ -n "$slim" ]; then
	cp -RL "$libraries"/libonnxruntime*.so* "$root/lib/"
	[ ! -d "$libraries/licenses" ] || cp -RL "$libraries/licenses" "$root/lib/"
else
	cp -RL "$libraries/." "$root/lib/"
fi

# The JPEG decoder that this machine has.
turbo=${LIBTURBOJPEG:-$(PATH=$PATH:/sbin:/usr/sbin ldconfig -p | sed -n 's/.*libturbojpeg\.so\.0 .*=> //p' | head -n 1)}
if [ -n "$turbo" ] && [ -f "$turbo" ]; then
	cp -L "$turbo" "$root/libturbojpeg.so.0"
else
	echo "archive.sh: libturbojpeg was not found, so JPEG will be decoded by Go, several times slower" >&2
fi

tar -C "$scratch" -c batchscore-gpu-check | gzip -1 >"$out"
bytes=$(stat -c %s "$out")
echo "$out: $((bytes / 1000000)) MB"
needs=$(grep -aoE 'GLIBC_[0-9]+\.[0-9]+' "$root/batchscore" | sort -uV | tail -n 1 || true)
[ -z "$needs" ] || echo "The machine needs Linux on x86-64 with ${needs/GLIBC_/glibc } or newer, and the NVIDIA driver."
[ "$bytes" -le 1000000000 ] || echo "In pieces of 1 GB: split -b 1G $out $out. && cat $out.?? > $(basename "$out")   # the second part on the other machine"
echo "There: tar -xzf $(basename "$out") && batchscore-gpu-check/run.sh"
