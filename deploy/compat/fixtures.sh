#!/usr/bin/env bash
# Writes, with a build of batchscore, what the next release has to read.
#
#	deploy/compat/fixtures.sh BINARY MODEL ARCHIVE
#
# BINARY is a release's, MODEL a small model, ARCHIVE the tar.gz to write, in
# deploy/compat/testdata. It has, besides the images and the model:
#
#	jsonl, csv, parquet   complete outputs, with images that failed
#	unfinished            an output of three ranks, killed after two parts
#	launched              the output of that job
#	retried               an output, of which failed images were scored again
#	repaired              an output, in which a damaged part was made again
#	delivered             an output, merged to a file twice
#	models                the registry of 'models add'
#	tuned                 what --batch auto and --sessions auto measured
#	state                 the record, the log and the result of 'launch --to local'
#
# Times of files count: images and claims are judged by them. Paths do too: a job continues
# only with the images that it names. So the files are made in a folder below /tmp that
# no other archive has, and the test unpacks them there.
# ONNXRUNTIME_LIB is as for the tests.
set -euo pipefail

[ $# -eq 3 ] || { sed -n '2,/^set/p' "$0" | sed -n 's/^# \{0,1\}//p' >&2; exit 64; }
binary=$(realpath "$1") model=$(realpath "$2") archive=$(realpath -m "$3")
work=$(mktemp -d /tmp/batchscore-fixture.XXXXXXXX)
finish() {
	local code=$?
	[ $code -eq 0 ] || tail -n 20 "$work/log" >&2
	rm -rf "$work"
}
trap finish EXIT
cd "$work"
cp "$binary" batchscore # records have its path
binary=$work/batchscore
mkdir -p fixture/images
cd fixture
cp "$model" model.onnx

# Pictures of one colour each, as BMP: 24 bits, 4 by 4 pixels.
picture() {
	local file=$1 red=$2 green=$3 blue=$4
	{
		printf 'BM\146\0\0\0\0\0\0\0\066\0\0\0\050\0\0\0\004\0\0\0\004\0\0\0\001\0\030\0\0\0\0\0\060\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
		for ((i = 0; i < 16; i++)); do printf '%b' "$(printf '\\x%02x\\x%02x\\x%02x' "$blue" "$green" "$red")"; done
	} >"$file"
}
for ((n = 0; n < 24; n++)); do
	picture "images/$(printf %03d "$n").bmp" $((n * 10)) $((255 - n * 10)) $((n * 37 % 256))
done
: >images/empty.bmp
printf '<html>' >images/page.jpg
head -c 60 images/003.bmp >images/truncated.bmp
touch -d '2026-01-02 03:04:05 UTC' images/*

export XDG_STATE_HOME=$work/fixture/state XDG_CACHE_HOME=$work/cache BATCHSCORE_MODELS=$work/fixture/models
run() { "$binary" run --images images --model model.onnx --chunk 3 --batch "${batch:-2}" --max-errors 100% --log-level warn "$@" >>"$work/log" 2>&1; }

for format in jsonl csv parquet; do
	run --out $format --format $format
done

# A rank that is slow enough to be killed between two parts.
killed() {
	local pid
	"$binary" run --images images --model model.onnx --chunk 3 --batch 2 --max-errors 100% --log-level warn --provider simulate:rate=8 "$@" \
		>>"$work/log" 2>&1 &
	pid=$!
	until [ "$(find unfinished -maxdepth 1 -name 'part-*' 2>/dev/null | wc -l)" -ge 2 ]; do
		kill -0 "$pid"
		sleep 0.01
	done
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null || true
	[ ! -e unfinished/_SUCCESS ]
}
killed --out unfinished --rank 0 --world 3

run --out retried --format csv
cp images/000.bmp images/empty.bmp
run --out retried --format csv --retry failed
: >images/empty.bmp
touch -d '2026-01-02 03:04:05 UTC' images/empty.bmp

run --out repaired
printf 'damaged\n' >>repaired/part-00002.jsonl
"$binary" repair repaired >>"$work/log" 2>&1 || true
run --out repaired

# The first release delivers with a command of its own only.
run --out delivered --format csv --merge labels.csv || run --out delivered --format csv
"$binary" merge delivered -o again.csv >>"$work/log" 2>&1

"$binary" models add colours model.onnx >>"$work/log" 2>&1
batch=auto run --out "$work/tuning" --sessions auto --tune-cache tuned
"$binary" launch --to local -n 2 -- --images images --model "$PWD/model.onnx" --out launched --chunk 3 --batch 2 --max-errors 100% >>"$work/log" 2>&1

mkdir -p "$(dirname "$archive")"
tar --format=posix --pax-option=delete=atime,delete=ctime --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rw,go-w -cf - . | gzip -9n >"$archive"
ls -l "$archive"
