#!/bin/sh
# Puts the release of Go that builds the program into FOLDER, which does not exist:
#
#	golang.sh FOLDER
#
# It needs some older Go, such as the distribution's, which fetches the release as a
# module, through GOPROXY. What comes is compared with the sums below, and with Go's
# checksum database unless GONOSUMDB or GOFLAGS turn that off.
set -eu

go_version=1.26.8
arch=$(go env GOARCH)
case $arch in
amd64) want=h1:ZOmGe1OnfREDMIdb1Qi4G9JSuDPBLGExZMQ4nis1RXM= ;;
arm64) want=h1:sYL/O6MqS68ML0kjsQ36WoYIpJqkw60TxizWUYUKQMc= ;;
*)
	echo "golang.sh: no release of Go is pinned for $arch" >&2
	exit 1
	;;
esac
scratch=$(mktemp -d)
cd "$scratch" # outside any module
export GOMODCACHE="$scratch/modules" GOFLAGS="${GOFLAGS:-} -modcacherw" GOTOOLCHAIN=local
said=$(go mod download -json "golang.org/toolchain@v0.0.1-go$go_version.linux-$arch") || {
	echo "golang.sh: Go $go_version could not be fetched: $said" >&2
	exit 1
}
sum=$(printf '%s\n' "$said" | sed -n 's/^\t"Sum": "\(.*\)",*$/\1/p')
[ "$sum" = "$want" ] || {
	echo "golang.sh: Go $go_version is not the pinned one: its sum is ${sum:-missing}, pinned is $want" >&2
	exit 1
}
# A module has no executable files, and no go.mod below its own.
mv "$GOMODCACHE"/golang.org/toolchain@* "$1"
find "$1/bin" "$1/pkg/tool" -type f -exec chmod 0755 {} +
find "$1/src" -name _go.mod | while read -r file; do mv "$file" "${file%_go.mod}go.mod"; done
cd /
rm -rf "$scratch"
"$1/bin/go" version
