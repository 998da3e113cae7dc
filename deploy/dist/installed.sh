#!/usr/bin/env bash
# Checks the program that is installed below a prefix, in a root that has the images, a
# model and a place for the result in /mnt:
#
#	installed.sh PREFIX
set -euo pipefail

prefix=$1
die() {
	printf 'installed.sh: error: %s\n' "$*" >&2
	exit 1
}
cd /tmp
[ "$(command -v batchscore)" = "$prefix/bin/batchscore" ] || die "batchscore is $(command -v batchscore)"
batchscore version
[[ $(batchscore version --json) == *"\"$prefix/lib/batchscore/libonnxruntime.so.1\""* ]] || die 'it does not use its own ONNX Runtime'
batchscore doctor | sed -n 1,6p
rm -rf /mnt/out
batchscore run --images /mnt/images --out /mnt/out --model /mnt/model.onnx --max-errors 3 --log-level warn | tail -n 3
batchscore verify /mnt/out

# pip has neither manual pages nor scripts for shells.
[ -e "$prefix/share/man/man1" ] || exit 0
man -w batchscore batchscore-run
MANWIDTH=80 man batchscore | sed -n 1,5p
for page in $(cd "$prefix/share/man/man1" && ls batchscore*); do
	said=$(man --warnings -E UTF-8 -l -Tutf8 -Z "$prefix/share/man/man1/$page" 2>&1 >/dev/null | grep -v 'cannot adjust line' || true)
	[ -z "$said" ] || die "$page: $said"
done
# shellcheck disable=SC2016 # for the shells below
bash --norc -c 'source /usr/share/bash-completion/bash_completion
	if declare -F _comp_load >/dev/null; then _comp_load batchscore; else _completion_loader batchscore || true; fi
	complete -p batchscore
	COMP_LINE="batchscore verif" COMP_POINT=16 COMP_WORDS=(batchscore verif) COMP_CWORD=1 COMP_TYPE=9
	__start_batchscore batchscore verif batchscore 2>/dev/null
	[[ ${COMPREPLY[*]} == verify* ]]' || die 'bash does not complete'
# zsh completes on a terminal only.
# shellcheck disable=SC2016
zsh -f -c 'zmodload zsh/zpty
	zpty shell "TERM=dumb zsh -f -i"
	zpty -w shell "PS1=; autoload -Uz compinit; compinit -u -d /tmp/dump"
	zpty -w -n shell "batchscore verif"$'"'\t'"'" --help"$'"'\n'"'
	zpty -w shell "exit"
	while zpty -r shell line; do print -r -- $line; done' >/tmp/zsh || true
grep -q 'batchscore verify OUT' /tmp/zsh || { cat /tmp/zsh; die 'zsh does not complete'; }
# Desktops set this. Without it, fish looks in /usr/share only.
[ "$prefix" = /usr ] || export XDG_DATA_DIRS=$prefix/share:/usr/share
[[ $(fish -c 'complete -C "batchscore verif"') == verify* ]] || die 'fish does not complete'
rm -f /tmp/zsh /tmp/dump
echo 'man, bash, zsh and fish know it'
