#!/usr/bin/env bash
# Builds a variant of the image, with Docker and BuildKit or what understands the same:
#
#	build.sh cpu|gpu IMAGE
#
# IMAGE is the name to give it, as acme.azurecr.io/batchscore:1. Variables:
#
#	DOCKER        the program; docker
#	BASE          the image that all stages start from. The default is the Dockerfile's,
#	              or, where no registry has it, one that base.sh makes: this takes root
#	              and debootstrap, and this machine is Debian 12
#	IMAGE_FLAGS   more flags of docker build, as --build-arg GOPROXY=... or --network host
#	CERTIFICATES  a file with all certificates that downloads are to trust
#	ARCHIVE       a file to write the image to as well, for ctr images import, skopeo,
#	              podman load and docker load
#	CUDA          cuda12 or cuda13, of the variant gpu; cuda12
#	VERSION, COMMIT  what the program says that it is
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
variant=$1 image=$2
docker=${DOCKER:-docker}
export DOCKER_BUILDKIT=1

say() { printf 'image: %s\n' "$*"; }
die() {
	printf 'image: error: %s\n' "$*" >&2
	exit 1
}

case $variant in cpu | gpu) ;; *) die "there is no variant $variant: it is cpu or gpu" ;; esac
command -v "$docker" >/dev/null || die "$docker is missing: install Docker with BuildKit, or name another program in DOCKER"
"$docker" info >/dev/null 2>&1 || die "$docker reaches no daemon: start it, or see $docker info"

pinned=$(sed -n 's/^ARG DEBIAN=//p' "$here/Dockerfile")
made=batchscore-base:bookworm
base=${BASE:-$pinned}
has() { "$docker" image inspect "$1" >/dev/null 2>&1; }
# fresh reports whether an image exists that was made within a week: the packages of an
# older one have had no updates since.
fresh() {
	local at
	at=$("$docker" image inspect --format '{{.Created}}' "$1" 2>/dev/null) && [ "$(date -d "$at" +%s)" -gt "$(date -d '7 days ago' +%s)" ]
}
if ! has "$base" && ! why=$(timeout "${PULL_TIMEOUT:-300}" "$docker" pull --quiet "$base" 2>&1 >/dev/null); then
	why=$(tail -n 1 <<<"$why")
	[ -z "${BASE:-}" ] || die "$base cannot be pulled: $why"
	base=$made
	if fresh "$made"; then
		say "the base cannot be pulled ($why): $made, which was made here, is used"
	else
		say "the base cannot be pulled ($why): it is made here by debootstrap"
		scratch=$(mktemp -d)
		trap 'rm -rf --one-file-system "$scratch"' EXIT
		"$here/base.sh" "$scratch/root" bookworm
		tar -C "$scratch/root" --numeric-owner --sort=name --one-file-system -c . |
			"$docker" import --change 'CMD ["bash"]' - "$made" >/dev/null
	fi
fi

# A base from a registry has the digest by which it was asked for.
digest=$("$docker" image inspect --format '{{if .RepoDigests}}{{index .RepoDigests 0}}{{else}}@{{.Id}}{{end}}' "$base")
epoch=$(git -C "$here" log -1 --format=%ct 2>/dev/null) || epoch=$(date +%s)
created=$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)
flags=(--file "$here/Dockerfile" --target "$variant" --tag "$image"
	--build-arg "DEBIAN=$base" --build-arg "CUDA=${CUDA:-cuda12}" --build-arg "SOURCE_DATE_EPOCH=$epoch"
	--build-arg "VERSION=${VERSION:-dev}" --build-arg "COMMIT=${COMMIT:-}"
	--label "org.opencontainers.image.created=$created"
	--label "org.opencontainers.image.version=${VERSION:-dev}"
	--label "org.opencontainers.image.revision=${COMMIT:-}"
	--label "org.opencontainers.image.base.name=${base%@*}"
	--label "org.opencontainers.image.base.digest=${digest##*@}")
[ -z "${CERTIFICATES:-}" ] || flags+=(--secret "id=certificates,src=$CERTIFICATES")
# shellcheck disable=SC2086 # flags are words
"$docker" build "${flags[@]}" ${IMAGE_FLAGS:-} "$here/../.." || die "the build failed: see above. Without BuildKit, install \
buildx; where a proxy has a certificate of its own (x509), name a file of certificates in CERTIFICATES"
[ -z "${ARCHIVE:-}" ] || "$docker" save --output "$ARCHIVE" "$image"
say "$image: $(($("$docker" image inspect --format '{{.Size}}' "$image") / 1000000)) MB${ARCHIVE:+, also in $ARCHIVE}"
