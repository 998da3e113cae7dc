# The nights of check.sh, in order. Each ends with a status other than 0 if something is not
# as it should be.
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # base and others: check.sh
# shellcheck disable=SC2016 # commands are for the machine

nights=(first killed_and_lost missed failing mended pruned watched)
flags="--width 32 --height 32 --resize pillow-bilinear --fit stretch --bgr=false --scale 1/255 --activation logits --chunk 2"
first_day=$(date -u -d 'tomorrow' +%F)

# day N prints the date of the night N, from 1.
day() { date -u -d "$first_day + $(($1 - 1)) days" +%F; }

# clock TIME sets the machine's clock. It has no other that lasts until it is on again; this
# file is what systemd takes the time of the last start from.
clock() { on night "date -u -s '$1' >/dev/null && touch /usr/lib/clock-epoch"; }

fail() {
	echo "$*"
	return 1
}

# property UNIT NAME prints what systemd knows.
property() { on night "systemctl show -P $2 $1"; }

# settle N waits until the run of the night N is complete, and none is active.
settle() {
	on night "for i in \$(seq 900); do
		ls /srv/labels/$(day "$1")T*/_SUCCESS >/dev/null 2>&1 &&
			case \$(systemctl show -P ActiveState batchscore.service) in inactive|failed) exit 0;; esac
		sleep 0.3
	done
	systemctl status batchscore.service batchscore.timer; journalctl -u batchscore.service --no-pager | tail -n 40
	exit 1"
}
# parts N waits until the run that has not ended has N parts.
parts() {
	on night "for i in \$(seq 900); do
		name=\$(sed s/RUN=// /var/lib/batchscore/run 2>/dev/null)
		[ -z \"\$name\" ] || [ \$(ls /srv/labels/\$name 2>/dev/null | grep -c ^part) -lt $1 ] || exit 0
		sleep 0.1
	done
	journalctl -u batchscore.service --no-pager | tail -n 40
	exit 1"
}

# counted NEW CHANGED KEPT GONE checks what the newest run found in the collection.
counted() {
	local have
	have=$(on night 'tr -d " \n" <"$(cat /var/lib/batchscore/last-run)/_SUCCESS" | grep -o "\"new\":.*\"gone\":[0-9]*"')
	[ "$have" = "\"new\":$1,\"changed\":$2,\"retried\":0,\"renamed\":0,\"kept\":$3,\"gone\":$4" ] ||
		fail "it counts $have, not $1 new, $2 changed, $3 kept, $4 gone"
}

# hook_failed N tells whether the hook of the night N failed, which changes nothing else.
hook_failed() {
	on night "journalctl -u batchscore.service --no-pager -o cat --since '$(day "$1") 01:00:00' | grep '\"event\":\"hook_failed\"'" ||
		fail 'no line says that the hook failed'
}

# checked verifies the newest run, and compares its rows with those of a full run of the same images.
checked() {
	on night "set -e
		last=\$(cat /var/lib/batchscore/last-run)
		[ \"\$last\" = \"\$(ls -d /srv/labels/* | tail -n 1)\" ]
		batchscore verify \$last
		batchscore jobs status --check \$last
		batchscore merge \$last -o /tmp/night.jsonl --force
		rm -rf /tmp/full
		batchscore run --images /srv/images --out /tmp/full --model /srv/models/model.onnx $flags --max-errors 100% --log-level warn
		batchscore merge /tmp/full -o /tmp/full.jsonl --force
		cmp /tmp/night.jsonl /tmp/full.jsonl
		wc -l </tmp/night.jsonl"
}

night_first() {
	on night "set -e
		useradd --system batchscore
		install -d -o batchscore -g batchscore /srv/labels
		chgrp batchscore /etc/batchscore/nightly.env
		sed -i -e 's|^IMAGES=.*|IMAGES=/srv/images|' -e 's|^OUT=.*|OUT=/srv/labels|' -e 's|^MODEL=.*|MODEL=/srv/models/model.onnx|' \
			-e 's|^FLAGS=.*|FLAGS=$flags --max-errors=20% --on-end=false|' /etc/batchscore/nightly.env
		cat /etc/batchscore/nightly.env
		ldconfig
		cd /srv/pool && ls | head -n 30 | xargs -d '\n' mv -t /srv/images
		systemctl --version | head -n 1"
	clock "$(day 1) 01:50:00"
	on night "systemctl daemon-reload && systemctl enable --now batchscore.timer && systemctl list-timers --all batchscore.timer"
	on night 'ls -A /srv/labels | grep . && exit 1; exit 0' || fail 'it ran before its time'
	clock "$(day 1) 01:59:55"
	settle 1 || return 1
	[ "$(property batchscore.service Result)" = success ] || fail 'the unit did not succeed' || return 1
	[ "$(property batchscore.service ExecMainStatus)" = 0 ] || fail 'the exit code is not 0' || return 1
	on night 'systemctl status batchscore.timer batchscore.service; journalctl -u batchscore.service --no-pager' || true
	hook_failed 1 && checked
}

# images N adds so many images that have not been there.
added=0
images() {
	local first=$((added + 1))
	added=$((added + $1))
	# A new process takes long on this machine.
	on night "cd /srv/pool && all=(*) && for i in \$(seq $first $added); do
		from=\${all[i % \${#all[@]}]}
		{ cat \"\$from\"; echo \$i; } >\"/srv/images/new-\$i-\$from\"
	done"
}

# run prints the name of the run that has not ended.
run() { on night 'cat /var/lib/batchscore/run'; }
# off_until TIME takes the machine's power, and gives it again at that time.
off_until() {
	on night "journalctl --sync; touch -d '$1' /usr/lib/clock-epoch; sync"
	lose night
	power
	on night "date; [ \$(date +%s) -ge \$(date -d '$1' +%s) ]" || fail 'the clock is wrong'
}

# Images come, change and go. In the night the worker is killed, then the machine loses its power.
night_killed_and_lost() {
	local name
	clock "$(day 2) 01:50:00"
	images 60
	on night 'cd /srv/images && rm avatar.jpg bg.jpg && cp bg3.jpg bg2.jpg && cp christian.jpg city.jpg && mv camp.jpg moved.jpg' || return 1
	clock "$(day 2) 01:59:55"
	parts 2 || return 1
	name=$(run)
	on night 'systemctl kill --signal=KILL batchscore.service; for i in $(seq 100); do
		[ "$(systemctl show -P NRestarts batchscore.service)" = 0 ] || exit 0
		sleep 0.2
	done; exit 1' || fail 'systemd does not start the worker again' || return 1
	parts 8 || return 1
	[ "$(run)" = "$name" ] || fail 'the worker began another run' || return 1
	off_until "$(day 2) 02:30:00" || return 1
	settle 2 || return 1
	on night 'journalctl -u batchscore.service -u batchscore-resume.service --no-pager; ls /srv/labels; [ $(ls /srv/labels | wc -l) = 2 ]' || return 1
	[ "RUN=$(on night 'basename $(cat /var/lib/batchscore/last-run)')" = "$name" ] || fail 'it is not the run that was interrupted' || return 1
	counted 61 2 25 3 && checked
}

# The machine is off at 2 o'clock.
night_missed() {
	images 4
	clock "$(day 3) 00:30:00"
	off_until "$(day 3) 09:00:00" || return 1
	on night 'systemctl list-timers batchscore.timer'
	settle 3 || return 1
	[ "$(property batchscore.service Result)" = success ] || fail 'the unit did not succeed' || return 1
	counted 4 0 88 0 && checked
}

# Too many of the new images are damaged.
night_failing() {
	clock "$(day 4) 01:50:00"
	on night "cd /srv/images && for i in \$(seq 60); do head -c 3000 bg3.jpg >damaged-\$i.jpg; done"
	clock "$(day 4) 01:59:55"
	on night 'for i in $(seq 900); do ! systemctl -q is-failed batchscore.service || exit 0; sleep 0.3; done'
	on night 'systemctl status batchscore.service; systemctl list-units --failed; systemctl is-failed batchscore.service' ||
		fail 'the unit has not failed' || return 1
	# Fewer than 500 images are judged at the end.
	[ "$(property batchscore.service ExecMainStatus)" = 3 ] || fail 'the exit code is not 3' || return 1
	on night 'ls "$(cat /var/lib/batchscore/last-run)/_SUCCESS"' || fail 'it is not complete' || return 1
	hook_failed 4
}

# The damaged images are replaced, and the hook is mended.
night_mended() {
	clock "$(day 5) 01:50:00"
	on night "cd /srv/images && for i in \$(seq 60); do cp bg3.jpg damaged-\$i.jpg; done
		echo 'cat >/var/lib/batchscore/told' | install -m 0640 -g batchscore /dev/stdin /etc/batchscore/hook
		sed -i s,--on-end=false,--on-end=file:/etc/batchscore/hook, /etc/batchscore/nightly.env"
	clock "$(day 5) 01:59:55"
	settle 5 || return 1
	on night 'cmp /var/lib/batchscore/told "$(cat /var/lib/batchscore/last-run)/_SUCCESS"' || fail 'the hook was not told' || return 1
	[ "$(property batchscore.service Result)" = success ] || fail 'the unit did not succeed' || return 1
	on night '[ -z "$(systemctl list-units --failed --plain --no-legend "batchscore*")" ]' || return 1
	checked
}

# Old runs are deleted, and the last one still has all its rows.
night_pruned() {
	on night 'sed -i s/^KEEP=.*/KEEP=1/ /etc/batchscore/nightly.env && systemctl start batchscore-prune.service'
	on night 'journalctl -u batchscore-prune.service --no-pager; ls /srv/labels'
	[ "$(property batchscore-prune.service Result)" = success ] || fail 'the unit did not succeed' || return 1
	[ "$(on night 'ls /srv/labels | wc -l')" -lt 4 ] || fail 'it deleted nothing' || return 1
	checked
}

# The progress is served to monitors.
night_watched() {
	on night 'sed -i s,^PLACES=.*,PLACES=/srv/labels, /etc/batchscore/export.env && systemctl enable --now batchscore-export.service
		for i in $(seq 100); do
			exec 3<>/dev/tcp/127.0.0.1/9091 && printf "GET /metrics HTTP/1.0\r\n\r\n" >&3 && cat <&3 >/tmp/metrics &&
				grep "^batchscore_job_state{.*place=\"/srv/labels\".*state=\"complete\"} 1" /tmp/metrics && exit 0
			sleep 0.3
		done
		systemctl status batchscore-export.service; cat /tmp/metrics; exit 1' || return 1
	on night 'systemctl stop batchscore-export.service' || return 1
	[ "$(property batchscore-export.service Result)" = success ] || fail 'the unit did not stop as it should'
}
