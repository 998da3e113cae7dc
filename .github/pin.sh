#!/usr/bin/env bash
# Pins the actions of the workflows by the commits that their tags name today:
#
#	.github/pin.sh
#
# It asks GitHub through git, and writes "actions/checkout@COMMIT # v6" for
# "actions/checkout@v6". What is pinned already is asked again, by the tag in its
# comment. Read the difference before you commit it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/workflows"

uses='^( *-? *uses: *)([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)@([^ #]+)( *# *([^ ]+))? *$'
for file in *.yml; do
	pinned=$(mktemp)
	while IFS= read -r line || [ -n "$line" ]; do
		if [[ $line =~ $uses ]]; then
			start=${BASH_REMATCH[1]} action=${BASH_REMATCH[2]} tag=${BASH_REMATCH[5]:-${BASH_REMATCH[3]}}
			# The commit of an annotated tag follows the tag itself.
			commit=$(git ls-remote "https://github.com/$action" "refs/tags/$tag" "refs/tags/$tag^{}" | tail -n 1 | cut -f 1)
			[[ $commit =~ ^[0-9a-f]{40}$ ]] || { echo "pin.sh: $action has no tag $tag: see https://github.com/$action/tags" >&2; exit 1; }
			line="$start$action@$commit # $tag"
		fi
		printf '%s\n' "$line"
	done <"$file" >"$pinned"
	cat "$pinned" >"$file"
	rm "$pinned"
done
