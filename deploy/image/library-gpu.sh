#!/bin/sh
# Fetches ONNX Runtime's library for CUDA 12, with its providers, into a folder:
#
#	library-gpu.sh FOLDER
#
# It comes from the Python package of the pinned version and SHA-256 that
# onnxruntime-gpu.txt names, through pip (256 MB; x86-64 only).
set -eu

here=$(dirname "$0")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

python3 -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
	--python-version 3.12 --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \
	--dest "$scratch" --requirement "$here/onnxruntime-gpu.txt"
python3 -m zipfile --extract "$scratch"/onnxruntime_gpu-*.whl "$scratch/package"

mkdir -p "$1"
libraries=$scratch/package/onnxruntime/capi
cp "$libraries"/libonnxruntime_providers_*.so "$1/"
cp "$libraries"/libonnxruntime.so.1.* "$1/libonnxruntime.so.1"
chmod 0644 "$1"/*.so*
