# Runs mpirun, again if that may help. Its parameters are how often it may do so, the
# exit codes after which it does not (|3|64|), the seconds to wait for workers, whether
# ranks can be asked to stop (drain, or end), the seconds after which they are asked again, a
# folder to work in, and mpirun's command. Its variables begin with an underscore, as no
# variable of a job does.
_restarts=$1 _final=$2 _patience=$3 _stops=$4 _drain=$5 _answers=$6
shift 6
_hosts=${OMPI_MCA_orte_default_hostfile:-/etc/mpi/hostfile}
mkdir -p "$_answers/of" || exit
_pid='' _ending='' _signal='' _halted='' _started=0
# How many of mpirun's ends that came with a worker's cost no restart.
_drains=100
_ssh='-o BatchMode=yes -o LogLevel=ERROR -o ConnectTimeout=5 -o ServerAliveInterval=5'
# How many seconds a worker gets to answer. ssh itself waits for as long as the connection lives.
_limit=15

say() { printf 'batchscore: %s\n' "$*" >&2; }

# plain prints what a worker says in one short line without control characters.
plain() { printf '%s\n' "$*" | LC_ALL=C sed 's/[^ -~]/?/g; s/^\(.\{300\}\).*/\1/'; }

# valid reports whether a text is the exit code of a failure.
valid() {
	case $1 in
	[1-9] | [1-9][0-9] | [12][0-9][0-9]) [ "$1" -le 255 ] ;;
	*) false ;;
	esac
}

# ask has the workers that are listed in a file do something, 32 at once.
ask() {
	rm -f "$_answers"/of/*
	_most=$_limit
	[ "$2" != drain ] || _most=$_drain
	xargs -r -n 1 -P 32 sh -c "exec >\"\$0/of/\$2\" 2>&1; timeout -k 2 $_most ssh -n $_ssh \"\$2\" sh /run/batchscore/worker \$1 || :" \
		"$_answers" "$2" <"$1" &
	_asking=$!
	# A signal ends wait before.
	while wait "$_asking" || kill -0 "$_asking" 2>/dev/null; do
		kill -0 "$_asking" 2>/dev/null || return 0
		case $_ending$2 in yesready*)
			kill "$_asking"
			exit 143
			;;
		esac
	done
}

# stop is called when the pod shall end. Its replacement continues.
stop() {
	_ending=yes _signal=yes
	if [ -n "$_pid" ]; then halt; fi
}
trap stop TERM

# halt has mpirun end. Its ranks, which may not be there yet, are asked to.
halt() {
	if [ -n "$_halted" ]; then return; fi
	_halted=yes
	if [ "$_stops" != drain ]; then
		kill -TERM "$_pid"
		return
	fi
	while ask "$_answers/all" drain && kill -0 "$_pid" 2>/dev/null; do sleep 1; done
}

# await waits for mpirun and sets its exit code. A signal ends wait before, with 143. Or it
# comes after it, and the shell no longer knows the process (127).
await() {
	wait "$_pid"
	_code=$?
	while [ -n "$_signal" ]; do
		_signal=''
		wait "$_pid"
		_again=$?
		[ "$_again" = 127 ] || _code=$_again
	done
	_pid=''
}

# drained reports whether ranks were asked to stop because a worker's pod ends. That worker
# says so, or is gone, or has been replaced.
drained() {
	if [ "$_code" != 143 ] || [ "$_stops" != drain ] || [ "$_drains" = 0 ]; then return 1; fi
	ask "$_answers/all" stays
	while read -r _host; do
		_answer=''
		read -r _answer _rest <"$_answers/of/$_host" || :
		if [ "$_answer" != stays ]; then
			_drains=$((_drains - 1))
			return 0
		fi
	done <"$_answers/all"
	return 1
}

# finish ends with a code, and so do the launchers that the cluster starts after this one.
finish() {
	for _try in 1 2 3; do
		ask "$_answers/all" "ended $1"
		while read -r _host; do
			_answer=''
			read -r _answer _rest <"$_answers/of/$_host" || :
			if [ "$_answer" = kept ]; then exit "$1"; fi
		done <"$_answers/all"
		nap "$_try"
	done
	say "no worker could note that the job has ended with exit code $1: if the cluster starts another launcher, that one may start ranks again"
	exit "$1"
}

# nap is a sleep that a signal ends.
nap() { sleep "$1" & wait "$!"; }

# ready waits until ranks may be started on all workers.
ready() {
	cp "$_answers/all" "$_answers/waiting"
	_begin=$(date +%s) _waited=0 _told=''
	while :; do
		ask "$_answers/waiting" "ready $_waited"
		: >"$_answers/still"
		_lacking='' _first='' _number=0
		while read -r _host; do
			_answer='' _rest=''
			read -r _answer _rest <"$_answers/of/$_host" || :
			_means=$_answer
			if [ "$_means" = ended ] && ! valid "$_rest"; then _means=''; fi
			case $_means in
			ready) ;;
			ended)
				say "an earlier launcher ended with exit code $_rest, which starting again does not help"
				exit "$_rest"
				;;
			lacks)
				say "the image lacks $(plain "$_rest"), as $_host says"
				finish 78
				;;
			*)
				echo "$_host" >>"$_answers/still"
				_number=$((_number + 1))
				[ -n "$_first" ] || _first=$_host _lacking=$(plain "${_answer:-no answer} $_rest")
				;;
			esac
		done <"$_answers/waiting"
		if [ "$_number" = 0 ]; then return; fi
		if [ -n "$_ending" ]; then exit 143; fi
		_waited=$(date +%s)
		_waited=$((_waited - _begin))
		if [ "$_waited" -ge "$_patience" ]; then
			say "workers that could not be used for $_waited s: $_number; $_first: $_lacking"
			finish 75
		fi
		if [ "$_told" != "$_first" ]; then
			say "workers that are waited for: $_number; $_first: $_lacking"
			_told=$_first
		fi
		mv "$_answers/still" "$_answers/waiting"
		nap 2
	done
}

if [ ! -r "$_hosts" ]; then
	say "$_hosts, in which the MPI operator names the workers, cannot be read"
	exit 78
fi
for _program in xargs sed timeout ssh "$1"; do
	if ! command -v "$_program" >/dev/null; then
		say "the image lacks $_program"
		exit 78
	fi
done
sed -n 's/^\([^ #:]\{1,\}\).*/\1/p' "$_hosts" >"$_answers/all"
if [ ! -s "$_answers/all" ]; then
	say "$_hosts, in which the MPI operator names the workers, names none"
	exit 78
fi
while read -r _host; do
	case $_host in -* | *[!A-Za-z0-9._-]*)
		say "$_hosts has a line that does not begin with the name of a host: $(plain "$_host")"
		exit 78
		;;
	esac
done <"$_answers/all"

while :; do
	ready
	if [ -n "$_ending" ]; then exit 143; fi
	_signal=''
	"$@" &
	_pid=$!
	if [ -n "$_ending" ]; then halt; fi
	await
	if [ "$_code" = 0 ]; then exit 0; fi
	case $_final in *"|$_code|"*) finish "$_code" ;; esac
	if [ -n "$_ending" ]; then exit 143; fi
	if ! drained; then _started=$((_started + 1)); fi
	if [ "$_restarts" = 0 ] || [ "$_started" -gt "$_restarts" ]; then finish "$_code"; fi
	say "starting the ranks again ($_started of $_restarts): mpirun ended with status $_code; everything committed is kept"
	nap $((_started * _started + 1))
done
