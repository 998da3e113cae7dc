#!/usr/bin/env bash
# Writes the digests that the base images' tags have today into the Dockerfile and the
# workflow, or those of another registry that serves the same names:
#
#	pin.sh [PREFIX]
#
# PREFIX is put before each name to ask for the digest, such as mirror.example/library/. It
# needs the network, and docker with buildx, skopeo or crane. Check the difference in git
# and build both variants before you commit it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dockerfile=${DOCKERFILE:-$here/Dockerfile}
workflow=${WORKFLOW:-$here/../../.github/workflows/ci.yml}
prefix=${1:-}

die() {
	printf 'pin.sh: error: %s\n' "$*" >&2
	exit 1
}

# digest IMAGE: prints the digest of the list of all platforms.
digest() {
	if command -v crane >/dev/null; then
		crane digest "$1"
	elif command -v skopeo >/dev/null; then
		skopeo inspect --raw "docker://$1" | sha256sum | sed 's/^\([0-9a-f]*\) .*/sha256:\1/'
	elif command -v docker >/dev/null; then
		docker buildx imagetools inspect "$1" --format '{{.Manifest.Digest}}'
	else
		die 'crane, skopeo and docker are missing: install one of them'
	fi
}

text=$(cat "$dockerfile") jobs=$(cat "$workflow")
images=0
while IFS='=' read -r name image; do
	tag=${image%%@*}
	[[ $tag == *:* ]] || die "$name=$image has no tag"
	sum=$(digest "$prefix$tag") || die "the digest of $prefix$tag cannot be read: see the message above"
	[[ $sum =~ ^sha256:[0-9a-f]{64}$ ]] || die "$prefix$tag: ${sum:-nothing} is no digest"
	text=${text/"ARG $name=$image"/"ARG $name=$tag@$sum"}
	jobs=${jobs//"image: $image"/"image: $tag@$sum"}
	printf '%s@%s\n' "$tag" "$sum"
	images=$((images + 1))
done < <(sed -n 's/^ARG \([A-Z]*=[a-z][^ ]*:[^ ]*\)$/\1/p' "$dockerfile")
[ "$images" -gt 0 ] || die "$dockerfile names no image"
printf '%s\n' "$text" >"$dockerfile.new"
mv "$dockerfile.new" "$dockerfile"
printf '%s\n' "$jobs" >"$workflow.new"
mv "$workflow.new" "$workflow"
