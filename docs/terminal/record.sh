#!/usr/bin/env bash
# Draws docs/terminal/status.svg: the live screen of a real job, in a real
# terminal (tmux). Two ranks score five copies of the demo's images.
#
#	docs/terminal/record.sh BATCHSCORE IMAGES MODEL
set -euo pipefail

binary=$(realpath "$1") images=$(realpath "$2") model=$(realpath "$3")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mktemp -d)
trap 'tmux -S "$scratch/tmux" kill-server 2>/dev/null || true; rm -rf "$scratch"' EXIT

export XDG_STATE_HOME=$scratch/state XDG_CONFIG_HOME=$scratch/config
mkdir "$scratch/photos"
for copy in 2019 2020 2021 2022 2023; do cp -r "$images" "$scratch/photos/$copy"; done
cp "$model" "$scratch/model.onnx"
cd "$scratch"
"$binary" launch -n 2 --name photos --detach -- --images photos --out result --model model.onnx --chunk 8

tmux -S tmux -f /dev/null new-session -d -x 92 -y 14 "'$binary' jobs status --watch; sleep 60"
for ((i = 0; i < 240; i++)); do
	sleep 0.5
	tmux -S tmux capture-pane -p -e >screen
	# Half of the images are done, and both ranks are at work.
	if grep -qE '\] [5-8][0-9]%' screen && [ "$(grep -c 'at work' screen)" = 2 ]; then
		# The scratch folder is nobody's business.
		sed "s|$scratch/state|/home/ada/.local/state|; s|$scratch|/home/ada|" screen |
			(cd "$here" && go run . -title 'batchscore jobs status --watch' -columns 92) >"$here/status.svg"
		"$binary" jobs cancel photos
		exit
	fi
done
echo 'record.sh: the job did not come half way in two minutes' >&2
exit 1
