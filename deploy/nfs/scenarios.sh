# The scenarios of check.sh. Each sets codes, rows, lost, doubled, and wrong if something
# is not as it should be.
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # base and others: check.sh

images=200
scenarios=(clean_3 clean_42 killed_3 killed_42 stop5_3 stop5_42 stop60_hard_3 stop60_hard_42 stop60_soft_3 cut60_3 cut60_42 reboot_3 reboot_42
	clock_ahead_behind_3 clock_ahead_behind_42 clock_server_ahead_3 clock_server_ahead_42 clock_step_3 clock_step_42
	clock_server_step_3 clock_server_step_42 cached_3 cached_42 nocto_3
	removed_3 removed_42 replaced_3 replaced_42 stale_3 silly_3 squashed squashed_denied full_3 full_42)
flags="--width 32 --height 32 --resize pillow-bilinear --fit stretch --bgr=false --scale 1/255 --activation logits
	--chunk 8 --lease 10s --log-format json"
flags=$(tr '\n\t' '  ' <<<"$flags")

# make_images makes the images, some of them damaged, and the rows that a single rank
# writes on a local disk.
make_images() {
	local i folder
	rm -rf "$base/images" "$base/local"*
	for ((i = 0; i < images; i++)); do
		folder=$base/images/d$((i % 5))
		mkdir -p "$folder"
		case $((i % 100)) in
		7) : >"$folder/i$i.jpg" ;;
		57) head -c 5000 "$image" >"$folder/i$i.jpg" ;;
		*) cp "$image" "$folder/i$i.jpg" ;;
		esac
	done
	# shellcheck disable=SC2086 # flags are words
	"$program" run --images "$base/images" --out "$base/local" --model "$model" $flags --provider simulate:rate=1000 \
		--merge "$base/local.jsonl" --log-level error >"$base/local.log" 2>&1 || die "see $base/local.log"
}

# rank CLIENT RANK WORLD [FLAGS]: starts a rank; its number is in pending.
pending=()
rank() {
	start "$1" "exec $program run --images /mnt/share/images --out /mnt/share/out --model $model $flags \
		--provider simulate:rate=2 --rank $2 --world $3 ${4:-}"
	pending+=("$1:$commands")
}
# ranks OPTIONS WORLD: mounts, and starts a rank on each of so many clients.
ranks() {
	local i clients=()
	for ((i = 1; i <= $2; i++)); do clients+=("c$i"); done
	share "$1" "${clients[@]}"
	for ((i = 1; i <= $2; i++)); do rank "c$i" $((i - 1)) "$2"; done
}
# ended waits for the ranks, and adds their exit codes to codes.
ended() {
	local p code
	for p in "${pending[@]}"; do
		code=0
		await "${p%:*}" "${p#*:}" || code=$?
		codes="$codes${separator- }$code"
		separator=,
	done
	separator=' '
	pending=()
}

# checked compares the output with the manifest, and its rows with those of a single rank.
checked() {
	local merged=$base/results/$name.jsonl
	on server "cd /tmp && $program verify $disk/out && $program merge $disk/out -o /run/commands/merged.jsonl --force" ||
		wrong="$wrong, verify or merge failed"
	mv "$base/machines/server/merged.jsonl" "$merged" || { wrong="$wrong, there are no rows"; return 0; }
	paths() { grep -o '^{"path":"[^"]*"' "$1" | sort; }
	rows=$(wc -l <"$merged")
	lost=$(comm -23 <(paths "$base/local.jsonl") <(paths "$merged") | wc -l)
	doubled=$(paths "$merged" | uniq -d | wc -l)
	[ "$rows $lost $doubled" = "$images 0 0" ] || wrong="$wrong, rows differ from the manifest"
	cmp -s "$merged" "$base/local.jsonl" || wrong="$wrong, bytes differ from those of one rank"
}
# expect CODES: what codes should be.
expect() { [ "${codes# }" = "$1" ] || wrong="$wrong, exit codes are not $1"; }
# fresh removes the output on the server's disk, and puts the images there.
fresh() {
	rows=- lost=- doubled=-
	on server "rm -rf $disk/out $disk/fill; [ -e $disk/images ] || cp -r $base/images $disk/; chmod 777 $disk; sync"
}
# progressed N waits until there are N parts. The server itself looks, since asking it takes longer than a part where this machine is busy.
progressed() {
	on server "for i in \$(seq 600); do
		[ \$(ls $disk/out 2>/dev/null | grep -c ^part) -lt $1 ] || exit 0
		sleep 0.2
	done
	exit 1" || wrong="$wrong, the ranks do not progress"
}

clean() {
	fresh
	ranks "$1" 3
	ended
	expect 0,0,0
	checked
}
scenario_clean_3() { clean vers=3,nolock; }
scenario_clean_42() { clean vers=4.2; }

# interrupted OPTIONS SECONDS: the server stands still for so long in the middle of a run.
interrupted() {
	fresh
	ranks "$1" 2
	progressed 3
	signal STOP server
	sleep "$2"
	signal CONT server
	ended
}
# rerun runs both ranks again on what is there.
rerun() {
	local i
	for i in 1 2; do rank "c$i" $((i - 1)) 2; done
	ended
}
scenario_killed_3() { killed vers=3,nolock; }
scenario_killed_42() { killed vers=4.2; }
killed() {
	fresh
	ranks "$1" 2
	progressed 3
	lose c2
	ended
	expect 0,137
	checked
	boot_client 2
}
scenario_stop5_3() { interrupted vers=3,nolock 5 && expect 0,0 && checked; }
scenario_stop5_42() { interrupted vers=4.2 5 && expect 0,0 && checked; }
scenario_stop60_hard_3() { interrupted vers=3,nolock,hard 60 && expect 0,0 && checked; }
scenario_stop60_hard_42() { interrupted vers=4.2,hard 60 && expect 0,0 && checked; }
scenario_stop60_soft_3() {
	interrupted vers=3,nolock,soft,timeo=30,retrans=2 60
	rerun
	expect '75,75 0,0'
	checked
}
# One of two hosts loses its network for a minute, and the other takes over its chunks.
scenario_cut60_3() { cut vers=3,nolock; }
scenario_cut60_42() { cut vers=4.2; }
cut() {
	fresh
	ranks "$1" 2
	progressed 3
	ip link set tap2 down
	sleep 60
	ip link set tap2 up
	ended
	expect 0,0
	checked
}
rebooted() {
	fresh
	ranks "$1" 2
	progressed 3
	lose server
	boot_server
	ended
	expect 0,0
	checked
}
scenario_reboot_3() { rebooted vers=3,nolock; }
scenario_reboot_42() { rebooted vers=4.2; }

later() { on "$1" "date -s '$2'"; }
clocks() {
	ended
	expect 0,0
	checked
}
scenario_clock_ahead_behind_3() { ahead_behind vers=3,nolock; }
scenario_clock_ahead_behind_42() { ahead_behind vers=4.2; }
ahead_behind() {
	fresh
	later c1 '+1 hour'
	later c2 '-1 hour'
	ranks "$1" 2
	clocks
}
scenario_clock_server_ahead_3() { server_ahead vers=3,nolock; }
scenario_clock_server_ahead_42() { server_ahead vers=4.2; }
server_ahead() {
	fresh
	later server '+1 hour'
	ranks "$1" 2
	clocks
}
scenario_clock_step_3() { step vers=3,nolock; }
scenario_clock_step_42() { step vers=4.2; }
step() {
	fresh
	ranks "$1" 2
	progressed 3
	later c1 '+1 hour'
	later c2 '-1 hour'
	clocks
}
scenario_clock_server_step_3() { server_step vers=3,nolock; }
scenario_clock_server_step_42() { server_step vers=4.2; }
server_step() {
	fresh
	ranks "$1" 2
	progressed 3
	later server '+1 hour'
	progressed 10
	later server '-2 hours'
	clocks
}
cached() {
	fresh
	ranks "$1" 2
	ended
	expect 0,0
	checked
	note=$1
}
scenario_cached_3() { cached vers=3,nolock,actimeo=60,lookupcache=all; }
scenario_cached_42() { cached vers=4.2,actimeo=60,lookupcache=all; }
scenario_nocto_3() { cached vers=3,nolock,actimeo=60,nocto; }

# The folder of the output is removed and made again.
removed() {
	fresh
	ranks "$1" 2
	progressed 3
	on server "rm -rf $disk/out; mkdir -m 777 $disk/out"
	ended
	# What is left is not the output of a job, and no rank takes it for one.
	rerun
	on server "rm -rf $disk/out"
	rerun
	expect '75,75 11,11 0,0'
	checked
}
scenario_removed_3() { removed vers=3,nolock; }
scenario_removed_42() { removed vers=4.2; }
# Another disk is exported in the place of this one. With its own FSID no handle is known any more; with
# that of the first, only the folder itself is, since all disks have it under one number.
replaced() {
	fresh
	ranks "$1" 2
	progressed 3
	lose server
	mv "$base/machines/disk" "$base/machines/disk.away"
	boot_server "$2"
	ended
	lose server
	mv "$base/machines/disk.away" "$base/machines/disk"
	boot_server
	rerun
	expect '75,75 0,0'
	checked
}
scenario_replaced_3() { replaced vers=3,nolock 0; }
scenario_replaced_42() { replaced vers=4.2 0; }
scenario_stale_3() { replaced vers=3,nolock 1; }
# Files that are open where they are removed: an image, and one in the output.
scenario_silly_3() {
	fresh
	share vers=3,nolock c1 c2
	on c1 'mkdir -p -m 777 /mnt/share/out && cp /mnt/share/images/d0/i0.jpg /mnt/share/images/d0/i000.jpg && : >/mnt/share/out/x'
	start c1 'exec 8</mnt/share/images/d0/i000.jpg 9>/mnt/share/out/x; rm /mnt/share/images/d0/i000.jpg /mnt/share/out/x; sleep 1000'
	sleep 2
	on c1 'ls -a /mnt/share/images/d0 /mnt/share/out | grep nfs'
	rerun
	expect 0,0
	checked
	on c1 'pkill sleep'
}
scenario_squashed() {
	on server "exportfs -o rw,root_squash,no_subtree_check,fsid=0 '*:$disk'"
	cached vers=4.2
	on server "exportfs -o rw,no_root_squash,no_subtree_check,fsid=0 '*:$disk'"
}
scenario_squashed_denied() {
	fresh
	on server "chmod 755 $disk; exportfs -o rw,root_squash,no_subtree_check,fsid=0 '*:$disk'"
	ranks vers=4.2 2
	ended
	expect 78,78
	on server "chmod 777 $disk; exportfs -o rw,no_root_squash,no_subtree_check,fsid=0 '*:$disk'"
}
full() {
	fresh
	ranks "$1" 2
	progressed 3
	on server "dd if=/dev/zero of=$disk/fill bs=64k 2>/dev/null; dd if=/dev/zero of=$disk/fill bs=1k oflag=append conv=notrunc 2>/dev/null; df $disk"
	ended
	on server "rm $disk/fill"
	rerun
	expect '75,75 0,0'
	checked
}
scenario_full_3() { full vers=3,nolock; }
scenario_full_42() { full vers=4.2; }
