#!/usr/bin/env bash
# Compares what two builds of batchscore write, byte for byte.
#
#	deploy/compat/check.sh OLD NEW MODEL IMAGES
#
# OLD and NEW are binaries, MODEL a model of the new one's kind, IMAGES a folder.
# In each format the old build scores the images on one rank. The new build scores
# them on 1 and on 3 ranks, once killed and resumed, and once in a folder that the
# old build began and was killed in. Manifests, parts and merged files must be equal.
# The new build must verify every output, and the old one every output that it
# began. The same again with a simulated device.
# ONNXRUNTIME_LIB is as for the tests.
set -euo pipefail

[ $# -eq 4 ] || { sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p' >&2; exit 64; }
old=$(realpath "$1") new=$(realpath "$2") model=$(realpath "$3") images=$(realpath "$4")
work=$(mktemp -d)
# finish shows the log of a comparison that failed.
finish() {
	local code=$?
	[ $code -eq 0 ] || tail -n 20 "$work/log" >&2
	rm -rf "$work"
}
trap finish EXIT

flags=(--images "$images" --model "$model" --chunk 3 --batch 2)
compared=0

# score BINARY OUT FLAG...: one rank, to the end. Samples may hold broken images.
score() {
	local binary=$1 out=$2
	shift 2
	"$binary" run "${flags[@]}" --out "$out" --max-errors 100% "$@" >>"$work/log" 2>&1
}

# begin BINARY OUT FLAG...: one rank, killed as soon as it has committed two parts.
begin() {
	local binary=$1 out=$2
	shift 2
	"$binary" run "${flags[@]}" --out "$out" --max-errors 100% "$@" >>"$work/log" 2>&1 &
	local pid=$!
	until [ "$(find "$out" -maxdepth 1 -name 'part-*' 2>/dev/null | wc -l)" -ge 2 ]; do
		kill -0 "$pid" 2>/dev/null || { echo "$out ended before it was killed" >&2; exit 1; }
		sleep 0.01
	done
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null || true
	[ ! -e "$out/_SUCCESS" ] || { echo "$out was complete before it was killed" >&2; exit 1; }
}

# same NAME: what the output NAME holds is what the old build wrote.
same() {
	local name=$1
	"$new" verify "$work/$name" >>"$work/log"
	# The old build refuses the record of a job that a newer build began: it has a
	# field that the old one does not know.
	grep -q '"claim_form"' "$work/$name/_batchscore/job.json" || "$old" verify "$work/$name" >>"$work/log"
	"$new" merge "$work/$name" -o "$work/$name.merged" 2>>"$work/log"
	cmp "$work/old.merged" "$work/$name.merged"
	diff <(cd "$work/old" && parts) <(cd "$work/$name" && parts)
	compared=$((compared + $(cd "$work/$name" && parts | wc -l) + 1))
	printf '%-24s equal: %s\n' "$name" "$(sha256sum <"$work/$name.merged" | cut -c1-16)"
	rm -rf "${work:?}/$name" "$work/$name.merged"
}

parts() { find . -type f \( -name 'part-*' -o -name 'manifest*' \) -print0 | sort -z | xargs -0 sha256sum; }

# compare FORMAT FLAG...: everything above in one format.
compare() {
	local format=$1
	shift
	set -- --format "$format" "$@"
	echo "$*"
	score "$old" "$work/old" "$@"
	"$old" verify "$work/old" >>"$work/log"
	"$old" merge "$work/old" -o "$work/old.merged" 2>>"$work/log"

	score "$new" "$work/new-1-rank" "$@"
	same new-1-rank

	"$new" launch --to local -n 3 -- "${flags[@]}" --out "$work/new-3-ranks" --max-errors 100% "$@" \
		>>"$work/log" 2>&1
	same new-3-ranks

	begin "$new" "$work/new-killed-and-resumed" "$@"
	score "$new" "$work/new-killed-and-resumed" "$@"
	same new-killed-and-resumed

	begin "$old" "$work/old-begun-new-finished" "$@"
	score "$new" "$work/old-begun-new-finished" "$@"
	same old-begun-new-finished

	rm -rf "$work/old" "$work/old.merged"
}

for format in jsonl csv parquet; do
	compare $format
	compare $format --provider simulate:rate=100
done
echo "$compared files are equal, byte for byte"
