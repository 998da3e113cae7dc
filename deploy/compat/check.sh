#!/usr/bin/env bash
# Compares what two builds of batchscore write, byte for byte.
#
#	deploy/compat/check.sh OLD NEW MODEL IMAGES
#
# OLD and NEW are binaries, MODEL a model of the new one's kind, IMAGES a folder.
# In each format the old build scores the images on one rank. The new build scores
# them on 1 and on 3 ranks, once killed and resumed, and once in a folder that the
# old build began and was killed in. Manifests, parts and merged files must be equal;
# where the new build writes rows or parts in another form, those of the jobs that it
# began are compared among themselves. The new build must verify every output. The old
# one must verify every output that it can read; it reads those that it began, and
# refuses others with exit code 10, without a change to them. The same again with a
# simulated device.
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
compared=0 refused=0

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

# same NAME BASE: what the output NAME holds is what BASE holds.
same() {
	local name=$1 base=$2
	"$new" verify "$work/$name" >>"$work/log"
	reads "$name"
	[ "$name" != "$base" ] || return 0
	"$new" merge "$work/$name" -o "$work/$name.merged.$format" >>"$work/log" 2>&1
	cmp "$work/$base.merged.$format" "$work/$name.merged.$format"
	diff <(cd "$work/$base" && parts) <(cd "$work/$name" && parts)
	compared=$((compared + $(cd "$work/$name" && parts | wc -l) + 1))
	printf '%-24s equal to %-10s %s\n' "$name" "$base" "$(sha256sum <"$work/$name.merged.$format" | cut -c1-16)"
	rm -rf "${work:?}/$name" "$work/$name.merged.$format"
}

# forms NAME: the forms that decide the bytes of the output NAME.
forms() { grep -E '"(row_form|part_form|decoding)"' "$work/$1/_batchscore/job.json"; }

# reads NAME: the old build verifies the output NAME, or refuses it and changes nothing.
# Whatever it began, it reads.
reads() {
	local before name=$1
	if cmp -s <(forms old) <(forms "$name") && cmp -s <(fields old) <(fields "$name"); then
		"$old" verify "$work/$name" >>"$work/log"
		return
	fi
	before=$(everything "$name")
	refuses verify "$work/$name"
	refuses show "$work/$name"
	refuses repair "$work/$name"
	refuses run "${flags[@]}" --format "$format" --out "$work/$name"
	refuses run "${flags[@]}" --format "$format" --out "$work/$name" --retry failed
	[ "$before" = "$(everything "$name")" ] || { echo "the old build changed $name, which it cannot read" >&2; exit 1; }
	refused=$((refused + 1))
}

# refuses COMMAND...: the old build says that a record is not one.
refuses() {
	local code=0
	"$old" "$@" >>"$work/log" 2>&1 || code=$?
	[ $code -eq 10 ] || { echo "the old build ends with $code, want 10: $*" >&2; exit 1; }
}

# fields NAME: the fields of the job record of the output NAME.
fields() { sed -n 's/^  "\([a-z_0-9]*\)":.*/\1/p' "$work/$1/_batchscore/job.json"; }

everything() { (cd "$work/$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum); }

parts() { find . -type f \( -name 'part-*' -o -name 'manifest*' \) -print0 | sort -z | xargs -0 sha256sum; }

# compare FORMAT FLAG...: everything above in one format.
compare() {
	local format=$1
	shift
	set -- --format "$format" "$@"
	echo "$*"
	score "$old" "$work/old" "$@"
	"$old" verify "$work/old" >>"$work/log"
	"$old" merge "$work/old" -o "$work/old.merged.$format" >>"$work/log" 2>&1

	score "$new" "$work/new-1-rank" "$@"
	local base='old'
	if ! cmp -s <(forms old) <(forms new-1-rank); then
		base='new-1-rank'
		"$new" merge "$work/$base" -o "$work/$base.merged.$format" >>"$work/log" 2>&1
	fi
	same new-1-rank "$base"

	"$new" launch --to local -n 3 -- "${flags[@]}" --out "$work/new-3-ranks" --max-errors 100% "$@" \
		>>"$work/log" 2>&1
	same new-3-ranks "$base"

	begin "$new" "$work/new-killed-and-resumed" "$@"
	score "$new" "$work/new-killed-and-resumed" "$@"
	same new-killed-and-resumed "$base"

	begin "$old" "$work/old-begun-new-finished" "$@"
	score "$new" "$work/old-begun-new-finished" "$@"
	same old-begun-new-finished old

	rm -rf "$work"/old* "$work"/new*
}

for format in jsonl csv parquet; do
	compare $format
	compare $format --provider simulate:rate=100
done
echo "$compared files are equal, byte for byte; the old build refuses $refused outputs of the new one"
