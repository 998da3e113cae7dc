#!/usr/bin/env bash
# Prints what the changelog says of a release:
#
#	notes.sh VERSION CHANGELOG
#
# VERSION is 1.2.0 or 1.2.0-rc.1. A candidate that has no section of its own has that of
# its release, or else what is unreleased. A release needs a section.
set -euo pipefail

[ $# -eq 2 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 64; }
version=$1 changelog=$2

section() { awk -v head="## [$1]" '/^## \[/ { on = index($0, head) == 1; next } on' "$changelog" | sed '/./,$!d'; }

names=("$version")
case $version in *-*) names+=("${version%%-*}" Unreleased) ;; esac
for name in "${names[@]}"; do
	notes=$(section "$name")
	[ -z "$notes" ] || { printf '%s\n' "$notes"; exit 0; }
done
echo "notes.sh: $changelog has no section for $version: add it before the tag" >&2
exit 1
