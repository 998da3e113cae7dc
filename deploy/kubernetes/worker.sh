# What the launcher and the end of the pod ask of a worker. Next to this file are what is
# known of it. The file settings has the name of ranks' processes, empty if they cannot be
# asked to stop, and the seconds that they get for it.
cd "${0%/*}" || exit
{ read -r name && read -r grace; } <settings

ranks() { [ -n "$name" ] && pgrep -x "$name" >/dev/null; }
daemon() { pgrep -x 'orted|prted' >/dev/null; }
# A second signal would end ranks before they have committed. Ranks are asked also if the
# mark cannot be made, and later ones can be if there were none any more.
ask() {
	if ranks && { mkdir asked 2>/dev/null || [ ! -e asked ]; }; then
		pkill -USR1 -x "$name" || rmdir asked 2>/dev/null
	fi
}
drain() {
	if [ -z "$name" ]; then return; fi
	# Ranks that orted is about to start do not take a signal at once.
	early=
	while ! ranks && [ ! -e asked ] && daemon; do sleep 1 && early=yes; done
	[ -z "$early" ] || sleep 1
	ask
	while ranks; do sleep 1; done
}

case $1 in
ready) # after so many seconds
	if [ -e ended ]; then
		read -r code <ended
		echo "ended $code"
	elif [ -e ending ]; then
		echo 'its pod is being ended'
	elif ! command -v pgrep >/dev/null || ! command -v pkill >/dev/null; then
		echo 'lacks pgrep and pkill (the package procps)'
	elif ranks || daemon; then
		echo 'ranks of an earlier launcher still run there'
		if [ "$2" -ge $((grace + grace)) ]; then
			pkill -KILL -x 'orted|prted'
			[ -z "$name" ] || pkill -KILL -x "$name"
		elif [ "$2" -ge "$grace" ]; then
			ask
		fi
	else
		rmdir asked 2>/dev/null
		# A worker that cannot keep this cannot keep the end of the job either.
		if { echo yes >known.new && mv known.new known; } 2>/dev/null; then
			echo ready
		else
			echo "cannot write in $PWD, which is an emptyDir"
		fi
	fi
	;;
stays) # since it was ready
	if [ -e known ] && [ ! -e ending ]; then echo stays; fi
	;;
ended) echo "$2" >ended.new && mv ended.new ended && echo kept ;;
drain) drain ;;
ending)
	# A colon would end the shell here if the file cannot be made.
	echo >ending
	drain
	;;
esac
