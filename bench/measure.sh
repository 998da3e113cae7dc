#!/usr/bin/env bash
# Measures what BENCHMARKS.md tells, and keeps the raw samples.
#
#	bench/measure.sh [PART...]
#
#	decode    decoders against bare libjpeg-turbo                  5 min
#	infer     sessions, threads and batches of a model             3 min
#	run       whole runs against what device and decoder allow     8 min
#	feed      would this machine feed a P100?                      4 min
#	scale     real ranks with simulated devices, 1 to 32          40 min
#	simulate  the model of a cluster, 1 to 4096 GPUs               1 min
#	recipe    the log of the recipe that this project replaces     1 s
#	go        Go's benchmarks: bookkeeping, memory, listing       10 min
#	peers     what people use instead                             20 min
#
# Without a PART: all. Each leaves bench/testdata/PART.txt, in Go's benchmark
# format, whole or not at all; then bench/report writes BENCHMARKS.md. The
# machine should have nothing else to do.
set -euo pipefail

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${BATCHSCORE_CACHE:-$tree/.cache}
export ONNXRUNTIME_LIB=${ONNXRUNTIME_LIB:-$cache/onnxruntime/libonnxruntime.so.1}
cd "$tree"
scratch=$(mktemp -d "$cache/measure.XXXXXX") # next to the photographs, so that links do
trap 'rm -rf "$scratch"' EXIT

inception=$cache/models/classification.onnx
photos=$cache/images/photos

bench() { bin/batchscore bench "$@" --save "$scratch/samples"; }

# go_bench COUNT NAMES runs Go's benchmarks. The number of cores that Go appends to
# a name is in the provenance already.
go_bench() {
	go test -run '^$' -bench "^Benchmark($2)\$" -benchtime 1x -count "$1" -timeout 0 ./bench |
		tee /dev/stderr | sed -E 's/^(Benchmark[^[:space:]]*)-[0-9]+/\1/' >>"$scratch/samples"
}

# photos_times N is a folder with N links to each photograph: long enough for the
# start of a run to weigh little.
photos_times() {
	local folder=$scratch/photos-$1 n photo
	mkdir -p "$folder"
	for photo in "$photos"/*; do
		for ((n = 0; n < $1; n++)); do ln "$photo" "$folder/$n-${photo##*/}"; done
	done
	echo "$folder"
}

measure_decode() { bench decode --images "$photos" --sizes 0.2,0.7,1.5; }
measure_infer() { bench infer "$inception" --rounds 6; }
# Device, decoders and run each get about as long: a virtual machine may be given
# more in its first seconds.
measure_run() { bench run --images "$(photos_times 40)" --model "$inception" --least 16s --rounds 8; }

measure_feed() {
	echo "kind: simulated" >"$scratch/samples"
	go_bench 3 Feed
}

# Slowed so that each device does as many images a second, and 32 of them no
# more than two cores feed.
slow() { case $1 in p100) echo 20 ;; k80) echo 5.35 ;; esac }

# The runs on fewer ranks together ask of the machine what the one on 32 does. Six
# rounds of VGG-16 on 32 P100 give an interval.
measure_scale() {
	local model device n pid
	for model in vgg16 inception; do
		for device in p100 k80; do
			local flags=(--model "$model" --device "$device" --slow "$(slow "$device")" --rounds 1 --validate) pids=()
			for n in 1 2 4 8 16; do
				bin/batchscore bench scale "${flags[@]}" --ranks $n --save "$scratch/scale.$n" &
				pids+=($!)
			done
			for pid in "${pids[@]}"; do wait "$pid"; done
			for n in 1 2 4 8 16; do cat "$scratch/scale.$n" >>"$scratch/samples"; done
			rm "$scratch"/scale.*
			bench scale "${flags[@]}" --ranks 32
		done
	done
	bench scale --ranks 32 --slow 20 --rounds 5 --validate
	bench scale --ranks 32 --slow 20 --rounds 1 --validate "${straggling[@]}"
	bench scale --ranks 32 --slow 20 --rounds 1 --validate --device mix
}
straggling=(--straggler 0:1.33 --straggler 1:1.2 --straggler 2:1.35 --straggler 3:1.38)

measure_simulate() {
	local model device
	for model in vgg16 inception; do
		for device in p100 k80; do
			bench simulate --model $model --device $device --images 10000000 --ranks 1,8,32,128,512,1024,2048,4096
		done
	done
}

measure_recipe() {
	bench read bench/ranks/testdata/recipe-32xP100.log --asked 100000 --one-gpu 255m --ranks-per-node 4
}

measure_go() {
	go_bench 6 'Start|Balance'
	go_bench 3 Bookkeeping
	go_bench 1 Manifest
}

measure_peers() { make bench-peers SAVE="$scratch/samples"; }

all=(recipe decode infer run feed scale simulate go peers)
for part in "${@:-${all[@]}}"; do
	declare -F "measure_$part" >/dev/null || {
		echo "measure.sh: there is no part $part; there are ${all[*]}" >&2
		exit 64
	}
	rm -f "$scratch/samples"
	"measure_$part"
	mkdir -p bench/testdata
	mv "$scratch/samples" "bench/testdata/$part.txt"
done
go run ./bench/report
