#!/usr/bin/env bash
# Runs an image that build.sh has built as a careful cluster does, and checks what comes of
# it: a read-only root, another user, no capabilities, half a core and 1 GB of memory.
#
#	runcheck.sh IMAGE FOLDER MODEL IMAGES
#
# FOLDER is made and kept for its output; MODEL is an ONNX file, IMAGES the folder of sample
# images, three of which are damaged. DOCKER names the program. It needs root, to read the
# control groups.
set -euo pipefail

image=$1 folder=$(realpath -m "$2") model=$(realpath "$3") images=$(realpath "$4")
docker=${DOCKER:-docker}
name=batchscore-runcheck-$$
user=12345

step() { printf '\n== %s\n' "$*"; }
die() {
	printf 'image-run-check: error: %s\n' "$*" >&2
	exit 1
}
end() {
	"$docker" rm --force "$name" "$name-w0" "$name-w1" >/dev/null 2>&1 || true
	"$docker" network rm "$name" >/dev/null 2>&1 || true
}
trap end EXIT

[ ! -e "$folder" ] || die "$folder exists: remove it first"
mkdir -p "$folder/out" "$folder/ssh"
chown -R "$user" "$folder/out"

hardened=(--read-only --cap-drop ALL --security-opt no-new-privileges
	--volume "$images:/images:ro" --volume "$model:/model.onnx:ro" --volume "$folder/out:/out")
limited=(--user "$user" --cpus 0.5 --memory 1g --memory-swap 1g)
run=(batchscore run --images /images --model /model.onnx --log-level warn --max-errors 3)

# expect CODE COMMAND...: runs a command in the image, which ends with that code.
expect() {
	local want=$1 code=0
	shift
	"$docker" run --rm "${hardened[@]}" "${limited[@]}" "$image" "$@" >"$folder/log" 2>&1 || code=$?
	tail -n 3 "$folder/log"
	[ "$code" = "$want" ] || die "$* ended with $code, not $want: see $folder/log"
}
start() { "$docker" run --detach --name "$name" "${hardened[@]}" "${limited[@]}" "$image" "$@" >/dev/null; }
# await CODE: waits for what start has started.
await() {
	local code
	code=$("$docker" wait "$name")
	"$docker" logs "$name" >"$folder/log" 2>&1
	[ "$("$docker" inspect --format '{{.State.OOMKilled}}' "$name")" = false ] || die 'the kernel killed it for want of memory'
	"$docker" rm "$name" >/dev/null
	tail -n 1 "$folder/log"
	[ "$code" = "$1" ] || die "it ended with $code, not $1: see $folder/log"
}
# parts OUT: the number of parts that are committed.
parts() { find "$folder/out/$1" -name 'part-*' 2>/dev/null | wc -l; }

step 'doctor, and what is inside'
expect 0 batchscore doctor
cat "$folder/log"
grep -q 'quota 0.5' "$folder/log" || die 'doctor does not see the quota'
for file in LICENSE NOTICE batchscore.cdx.json; do
	expect 0 test -s "/usr/share/doc/batchscore/$file"
done
for program in gcc go npm pip3 python3; do
	expect 127 sh -c "command -v $program"
done
"$docker" image inspect --format '{{json .Config.Labels}}' "$image"

step 'exit codes'
expect 64 "${run[@]}" --out /out/flag --no-such-flag
expect 78 batchscore run --images /images --model /out/none.onnx --out /out/model
expect 3 batchscore run --images /images/generated --model /model.onnx --out /out/failed --max-errors 0

step 'a run: threads and memory'
start "${run[@]}" --out /out/whole
pid=$("$docker" inspect --format '{{.State.Pid}}' "$name")
memory=$(awk -F: '$2 == "memory" { print "/sys/fs/cgroup/memory" $3 "/memory.max_usage_in_bytes" }
	$1 == 0 { print "/sys/fs/cgroup" $3 "/memory.peak" }' "/proc/$pid/cgroup" |
	while read -r file; do [ ! -e "$file" ] || echo "$file"; done | head -n 1)
threads=0 peak=0
while now=$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 2>/dev/null | wc -l) && [ "$now" -gt 0 ]; do
	[ "$now" -le "$threads" ] || threads=$now
	peak=$(cat "$memory" 2>/dev/null || echo "$peak")
	sleep 0.2
done
await 0
printf '%d threads, at most %d MiB\n' "$threads" $((peak >> 20))
[ "$threads" -le 24 ] || die "$threads threads for half a core"

step 'docker stop drains, and the next run continues'
start "${run[@]}" --out /out/stopped --chunk 2
until [ "$(parts stopped)" -gt 1 ]; do sleep 0.1; done
"$docker" stop --time 30 "$name" >/dev/null
await 143
before=$(parts stopped)
expect 0 "${run[@]}" --out /out/stopped
printf '%d parts when it was stopped, %d at the end\n' "$before" "$(parts stopped)"

step 'docker kill, and the next run continues'
start "${run[@]}" --out /out/killed --chunk 2
until [ "$(parts killed)" -gt 1 ]; do sleep 0.1; done
"$docker" kill "$name" >/dev/null
await 137
expect 0 "${run[@]}" --out /out/killed

step 'all have the same rows'
for out in whole stopped killed; do
	expect 0 batchscore verify "/out/$out"
	expect 0 batchscore merge "/out/$out" -o "/out/$out.csv"
	cmp "$folder/out/whole.csv" "$folder/out/$out.csv"
done

step 'two containers, sshd as the MPI operator starts it, and mpirun'
ssh-keygen -q -t rsa -N '' -C '' -f "$folder/ssh/id_rsa"
cp "$folder/ssh/id_rsa.pub" "$folder/ssh/authorized_keys"
chmod 0644 "$folder/ssh/id_rsa" # the operator's are root's, and readable
chown -R 10001 "$folder/out"
"$docker" network create "$name" >/dev/null
worker=("${hardened[@]}" --memory 1g --memory-swap 1g --network "$name" --tmpfs /tmp --volume "$folder/ssh:/home/mpiuser/.ssh:ro")
for host in w0 w1; do
	"$docker" run --detach --name "$name-$host" --hostname "$host" --network-alias "$host" "${worker[@]}" "$image" \
		/usr/sbin/sshd -De -f /home/mpiuser/.sshd_config >/dev/null
done
code=0
"$docker" run --rm "${worker[@]}" "$image" mpirun -np 2 -H w0:1,w1:1 --bind-to none \
	"${run[@]}" --out /out/mpi >"$folder/log" 2>&1 || code=$?
tail -n 3 "$folder/log"
[ "$code" = 0 ] || die "mpirun ended with $code: see $folder/log"
! grep 'not found' "$folder/log" || die "a program is missing: see $folder/log"
chown -R "$user" "$folder/out"
expect 0 batchscore verify /out/mpi
expect 0 batchscore merge /out/mpi -o /out/mpi.csv
cmp "$folder/out/whole.csv" "$folder/out/mpi.csv"

printf '\nimage-run-check: %s works\n' "$image"
