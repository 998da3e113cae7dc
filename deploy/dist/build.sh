#!/usr/bin/env bash
# Builds the packages of a release for linux/amd64 and linux/arm64, on x86-64:
#
#	build.sh FOLDER DESCRIBE COMMIT LIBRARIES NFPM...
#
# FOLDER is new, empty or of an earlier build; it is emptied and gets the packages, their
# bills of materials and SHA256SUMS. DESCRIBE is what git describe says, COMMIT what the
# program says of itself, LIBRARIES the folder that "deploy/deps/fetch.sh packages" fills,
# and NFPM the command that makes packages for Debian. MAINTAINER, "NAME <ADDRESS>", is whom
# the .deb names; by default it has no address that exists. The same commit gives the same
# bytes, in whatever folder it is.
set -euo pipefail

[ $# -ge 5 ] || { sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 64; }
out=$1 describe=$2 commit=$3 libraries=$4
shift 4
nfpm=("$@")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
case $out in /*) ;; *) out=$PWD/$out ;; esac

# The epoch of a tree that is not a repository comes from who packed it.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C.UTF-8
umask 022

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# A folder is emptied only if all in it is what this script writes. An interrupted build
# leaves no more than that.
for file in "$out"/* "$out"/.[!.]*; do
	case ${file##*/} in
	'*' | '.[!.]*' | SHA256SUMS | batchscore[-_]*.tar.gz | batchscore[-_]*.deb | batchscore[-_]*.whl | batchscore[-_]*.cdx.json) ;;
	*)
		echo "dist: error: $file is not of an earlier build: name another folder with DIST=" >&2
		exit 1
		;;
	esac
done
rm -rf "$out"
mkdir -p "$out" "$work/manual" "$work/scripts"

# Flags and variables of the caller that change what is built do not count.
unset CGO_CFLAGS CGO_CPPFLAGS CGO_CXXFLAGS CGO_LDFLAGS GOEXPERIMENT GOAMD64 GOARM64 CC CXX
export GOFLAGS='' GOTOOLCHAIN=local

go build -o "$work/dist" ./deploy/dist
go build -o "$work/sbom" ./deploy/sbom
read -r version debian _ < <("$work/dist" -describe "$describe" -versions)

compiler() {
	case $1/$(uname -m) in
	amd64/x86_64 | arm64/aarch64) echo gcc ;;
	amd64/*) echo x86_64-linux-gnu-gcc ;;
	*) echo aarch64-linux-gnu-gcc ;;
	esac
}

for arch in amd64 arm64; do
	mkdir "$work/$arch"
	GOOS=linux GOARCH=$arch CGO_ENABLED=1 CC=$(compiler "$arch") go build -trimpath -buildvcs=false \
		-ldflags "-s -w -X=main.version=$version -X=github.com/batchscore/batchscore/bench/result.stamped=$commit" \
		-o "$work/$arch/batchscore" ./cmd/batchscore
done

go test -count=1 -vet=off -run '^TestManual$' ./cmd/batchscore -manual "$work/manual" >"$work/log" || { cat "$work/log" >&2; exit 1; }
for shell in bash zsh fish; do
	"$work/$(go env GOHOSTARCH)/batchscore" completion "$shell" >"$work/scripts/$shell"
done

for arch in amd64 arm64; do
	bill=$out/batchscore-$version-linux-$arch.cdx.json library=$libraries/$arch/libonnxruntime.so.1
	"$work/sbom" -binary "$work/$arch/batchscore" -runtime "$library" -version "$version" -o "$bill"
	"$work/dist" -describe "$describe" -arch "$arch" -binary "$work/$arch/batchscore" -library "$library" -notices "$libraries/licenses" \
		-manual "$work/manual" -scripts "$work/scripts" -bill "$bill" -o "$out" ${MAINTAINER:+-maintainer "$MAINTAINER"}
	"${nfpm[@]}" package --config "$out/debian-$arch/nfpm.json" --packager deb --target "$out/batchscore_${debian}_$arch.deb" >/dev/null
	rm -r "$out/debian-$arch"
done
cd "$out"
sha256sum -- * >"$work/SHA256SUMS"
mv "$work/SHA256SUMS" .
cat SHA256SUMS
