#!/usr/bin/env bash
# run.sh [FLAGS]: checks the GPUs of this machine with what is in this folder, and writes the
# folder gpu-report in the working directory. FLAGS are those of "batchscore gpu-check".
#
# If the archive has no CUDA libraries, they are taken from the folders in CUDA_LIBRARIES,
# separated by colons, or else from the nvidia packages of python3, which PyTorch installs.
# PYTHON names another Python.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
lib=$here/lib

has() { compgen -G "$1" >/dev/null; }

if ! has "$lib/libcudart.so.*"; then
	folders=${CUDA_LIBRARIES:-}
	if [ -z "$folders" ]; then
		folders=$("${PYTHON:-python3}" -c 'import os, sys
print(":".join(os.path.join(d, "nvidia", n, "lib") for d in sys.path
    if os.path.isdir(os.path.join(d, "nvidia")) for n in sorted(os.listdir(os.path.join(d, "nvidia")))))' 2>/dev/null || true)
	fi
	IFS=: read -r -a list <<<"$folders"
	for folder in "${list[@]}"; do
		for file in "$folder"/lib{cudart,cublas,cublasLt,cufft,curand,nvrtc,nvrtc-builtins,cudnn,cudnn_*,nvJitLink}.so.*; do
			[ ! -f "$file" ] || ln -sf "$file" "$lib/"
		done
	done
	has "$lib/libcudart.so.*" || echo "run.sh: no CUDA libraries were found; set CUDA_LIBRARIES to their folders, separated by colons" >&2
fi

export ONNXRUNTIME_LIB=$lib/libonnxruntime.so.1
[ -n "${LIBTURBOJPEG:-}" ] || [ ! -f "$here/libturbojpeg.so.0" ] || export LIBTURBOJPEG=$here/libturbojpeg.so.0
exec "$here/batchscore" gpu-check --model "$here/model.onnx" --images "$here/images" "$@"
