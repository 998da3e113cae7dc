#!/usr/bin/env bash
# Packs a container image:
#
#	pack.sh ARCHIVE NAME CONFIG LAYER...
#
# NAME is name:tag, CONFIG the configuration of its containers in JSON, each LAYER a tar.
# ARCHIVE is what "ctr images import" and "docker load" read.
set -euo pipefail

archive=$1 name=$2 config=$3
shift 3
work=$(mktemp -d "$(dirname "$archive")/pack.XXXXXX")
trap 'rm -rf "$work"' EXIT
digests='' layers='' files=()
for layer; do
	file=layer${#files[@]}.tar
	ln "$layer" "$work/$file" 2>/dev/null || cp "$layer" "$work/$file"
	digests+=", \"sha256:$(sha256sum "$layer" | cut -d' ' -f1)\""
	layers+=", \"$file\""
	files+=("$file")
done
case $(uname -m) in aarch64) arch=arm64 ;; *) arch=amd64 ;; esac
printf '{"architecture": "%s", "os": "linux", "config": %s, "rootfs": {"type": "layers", "diff_ids": [%s]}}' \
	"$arch" "$config" "${digests#, }" >"$work/config.json"
printf '[{"Config": "config.json", "RepoTags": ["%s"], "Layers": [%s]}]' "$name" "${layers#, }" >"$work/manifest.json"
tar -C "$work" -cf "$archive.part" manifest.json config.json "${files[@]}"
mv "$archive.part" "$archive"
