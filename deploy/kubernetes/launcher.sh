# Runs mpirun, again if that may help. Its parameters are how often it may do so, the
# exit codes after which it does not (|3|64|), the seconds to wait for workers, whether
# ranks can be asked to stop (drain, or end), a folder to work in, and mpirun's command. Its
# variables begin with an underscore, as no variable of a job does.
_restarts=$1 _final=$2 _patience=$3 _stops=$4 _answers=$5
shift 5
_hosts=${OMPI_MCA_orte_default_hostfile:-/etc/mpi/hostfile}
mkdir -p "$_answers/of" || exit
_pid='' _ending='' _started=0
_ssh='-o BatchMode=yes -o LogLevel=ERROR -o ConnectTimeout=5 -o ServerAliveInterval=5'

say() { printf 'batchscore: %s\n' "$*" >&2; }

# ask has the workers that are listed in a file do something, 32 at once.
ask() {
	rm -f "$_answers"/of/*
	xargs -r -n 1 -P 32 sh -c "ssh -n $_ssh \"\$2\" sh /run/batchscore/worker \$1 >\"\$0/of/\$2\" 2>&1 || :" "$_answers" "$2" <"$1" || :
}

# stop is called when the pod shall end. Its replacement continues.
stop() {
	_ending=yes
	if [ -z "$_pid" ]; then return; fi
	if [ "$_stops" = drain ]; then ask "$_answers/all" drain; else kill -TERM "$_pid"; fi
}
trap stop TERM

# finish ends with a code, and so do the launchers that the cluster starts after this one.
finish() {
	ask "$_answers/all" "ended $1"
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
			case $_answer in
			ready) ;;
			ended)
				say "an earlier launcher ended with exit code $_rest, which starting again does not help"
				exit "$_rest"
				;;
			*)
				echo "$_host" >>"$_answers/still"
				_number=$((_number + 1))
				[ -n "$_first" ] || _first=$_host _lacking="$_answer $_rest"
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
sed -n 's/^\([^ #:]\{1,\}\).*/\1/p' "$_hosts" >"$_answers/all"

while :; do
	ready
	if [ -n "$_ending" ]; then exit 143; fi
	"$@" &
	_pid=$!
	while :; do
		wait "$_pid"
		_code=$?
		# A signal ends wait before the command has ended.
		kill -0 "$_pid" 2>/dev/null || break
	done
	_pid=''
	case $_code in
	0) exit 0 ;;
	143) ;; # ranks were asked to stop, as on a node that is drained
	*) _started=$((_started + 1)) ;;
	esac
	case $_final in *"|$_code|"*) finish "$_code" ;; esac
	if [ -n "$_ending" ]; then exit 143; fi
	if [ "$_restarts" = 0 ] || [ "$_started" -gt "$_restarts" ]; then finish "$_code"; fi
	say "starting the ranks again ($_started of $_restarts): mpirun ended with status $_code; everything committed is kept"
	nap $((_started * _started))
done
