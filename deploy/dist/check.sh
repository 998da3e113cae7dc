#!/usr/bin/env bash
# Installs each package of "make dist" in a fresh root of a distribution, scores there, and
# removes it:
#
#	check.sh FOLDER DIST MODEL IMAGES [SUITE...]
#
# FOLDER is for the roots, which are kept and used again; DIST has the packages; MODEL is an
# ONNX file; IMAGES is a folder of images, of which at most three may fail. SUITES are
# those of Debian, or of Ubuntu, such as ubuntu/jammy, or arm64 for the archive of that in
# an emulator; by default bookworm, trixie and arm64. It needs root and debootstrap.
# Packages come from apt's own sources, those of Ubuntu from
#
#	UBUNTU_MIRROR   the address of a mirror
#	UBUNTU_KEYRING  the keys that sign it, by default those of ubuntu-archive-keyring
#
# and pandas, polars and pyarrow come from pip's.
set -euo pipefail

[ $# -ge 4 ] || { sed -n '2,17s/^# \{0,1\}//p' "$0" >&2; exit 64; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
die() {
	printf 'dist-check: error: %s\n' "$*" >&2
	exit 1
}
[ "$(id -u)" = 0 ] || die 'it makes root file systems: run it as root'
command -v debootstrap >/dev/null || die 'debootstrap is missing: apt-get install debootstrap'
# Mounts and processes of the check end with it.
if [ -z "${BATCHSCORE_DIST_CHECK_INSIDE:-}" ]; then
	BATCHSCORE_DIST_CHECK_INSIDE=yes exec unshare --mount --pid --fork --kill-child -- "${BASH_SOURCE[0]}" "$@"
fi
roots=$1 dist=$(realpath "$2") model=$(realpath "$3") images=$(realpath "$4")
shift 4
[ $# -gt 0 ] || set -- bookworm trixie arm64
arch=$(dpkg --print-architecture)
mkdir -p "$roots"
roots=$(realpath "$roots")
step() { printf '\n== %s: %s\n' "$suite" "$*"; }

# one PATTERN: prints the one package of DIST that matches.
one() {
	local found
	found=$(find "$dist" -maxdepth 1 -name "$1")
	[ -f "$found" ] || die "$dist has not one $1: make dist"
	printf '%s\n' "$found"
}

# base: makes the root of the suite, unless it is there.
base() {
	[ ! -f "$roots/$name.made" ] || return 0
	local mirror flags=() script=()
	if [ "$name" = "$suite" ]; then
		# shellcheck disable=SC2016 # apt fills these in
		mirror=$(apt-get indextargets --format '$(REPO_URI) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' | sed -n 's/^\([^ ]*\) main$/\1/p' | head -n 1)
		[ -n "$mirror" ] || die 'apt has no source of Debian'
	else
		mirror=${UBUNTU_MIRROR:-}
		[ -n "$mirror" ] || die "$suite needs UBUNTU_MIRROR, the address of a mirror of Ubuntu"
		flags=("--components=main,universe" "--keyring=${UBUNTU_KEYRING:-/usr/share/keyrings/ubuntu-archive-keyring.gpg}")
		# All suites of Ubuntu have one script. An older debootstrap does not know the newest.
		[ -e "/usr/share/debootstrap/scripts/${suite#*/}" ] || script=(/usr/share/debootstrap/scripts/gutsy)
	fi
	rm -rf --one-file-system "${roots:?}/$name"
	debootstrap --variant=minbase --include=python3,python3-venv,python3-pip,man-db,bash-completion,zsh,fish,ca-certificates "${flags[@]}" \
		"${suite#*/}" "$roots/$name" "$mirror" "${script[@]}" >"$roots/$name.log" 2>&1 || die "debootstrap failed: see $roots/$name.log"
	touch "$roots/$name.made"
}

# fresh: mounts a copy of the root of the suite at $root.
fresh() {
	root=$roots/fresh
	umount -R "$root" 2>/dev/null || true
	rm -rf --one-file-system "$root" "$roots/upper" "$roots/scratch"
	mkdir -p "$root" "$roots/upper" "$roots/scratch"
	mount -t overlay overlay -o "lowerdir=$roots/$name,upperdir=$roots/upper,workdir=$roots/scratch" "$root"
	mount -t proc proc "$root/proc"
	mount --rbind /dev "$root/dev"
	cp /etc/resolv.conf /etc/hosts "$root/etc/"
	mkdir -p "$root/mnt/dist" "$root/mnt/images"
	mount --bind -o ro "$dist" "$root/mnt/dist"
	mount --bind -o ro "$images" "$root/mnt/images"
	install -m 0644 "$model" "$root/mnt/model.onnx"
	install -m 0755 "$here/installed.sh" "$root/mnt/installed.sh"
	# Pip's and apt's settings are this machine's.
	[ ! -f /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/"
	[ -z "$(ls /usr/local/share/ca-certificates 2>/dev/null)" ] || cp -R /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"
	inside update-ca-certificates >/dev/null 2>&1
	inside apt-get -qq update
}

inside() {
	chroot "$root" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# files FILE: lists what is in the root, without what running programs leaves.
files() {
	(cd "$root" && find . -xdev \( -path ./mnt -o -path ./proc -o -path ./dev -o -path ./run -o -path ./tmp -o -path ./root \
		-o -path ./var/cache -o -path ./var/log -o -path ./var/lib/apt -o -path ./var/lib/dpkg \
		-o -path ./var/lib/systemd \) -prune \
		-o -name __pycache__ -prune -o -print) | LC_ALL=C sort >"$1"
}

same() {
	diff "$roots/before" "$roots/after" >"$roots/rest" || { cat "$roots/rest"; die "$suite: $1 left this when it was removed"; }
	echo 'removed without rest'
}

# emulator: runs the program for the other kind of processor in an emulator, with the
# libraries of the cross compiler. There is no libturbojpeg among them.
emulator() {
	step 'the archive in an emulator'
	rm -rf "$roots/arm64"
	mkdir -p "$roots/arm64"
	tar -C "$roots/arm64" --strip-components=1 -xzf "$(one 'batchscore-*-linux-arm64.tar.gz')"
	emulated() { env -u ONNXRUNTIME_LIB -u BATCHSCORE_CACHE qemu-aarch64 -L /usr/aarch64-linux-gnu "$roots/arm64/bin/batchscore" "$@"; }
	# ONNX Runtime for arm64 crashes on what the kernel says of the caches of x86-64.
	for cache in /sys/devices/system/cpu/cpu[0-9]*/cache; do
		mount -t tmpfs none "$cache"
	done
	emulated version
	[[ $(emulated version --json) == *"\"$roots/arm64/lib/batchscore/libonnxruntime.so.1\""* ]] || die 'it does not use its own ONNX Runtime'
	emulated doctor | sed -n 1,6p
	# Each image takes seconds.
	mkdir "$roots/arm64/images"
	find "$images" -type f -size +1k | LC_ALL=C sort | sed -n 1,3p | xargs cp -t "$roots/arm64/images"
	emulated run --images "$roots/arm64/images" --out "$roots/arm64/out" --model "$model" --max-errors 3 --log-level warn | tail -n 3
	emulated verify "$roots/arm64/out"
}

for suite; do
	if [ "$suite" = arm64 ]; then
		emulator
		continue
	fi
	name=${suite/\//-}
	step 'a fresh root'
	base

	step 'the archive'
	fresh
	files "$roots/before"
	archive=$(basename "$(one "batchscore-*-linux-$arch.tar.gz")")
	inside tar -C /usr/local --strip-components=1 -xzf "/mnt/dist/$archive"
	inside /mnt/installed.sh /usr/local
	# shellcheck disable=SC2016 # for the shell inside
	inside sh -c 'cd /usr/local && tar -tzf "$1" | sed -n "s|^[^/]*/\(.*[^/]\)\$|\1|p" | xargs rm -f' remove "/mnt/dist/$archive"
	inside bash -O nullglob -c 'cd /usr/local && rmdir lib/batchscore share/doc/batchscore/{systemd,onnxruntime,}'
	# Other programs may use the rest of the folders, but none does here.
	tar -tzf "$dist/$archive" | sed -n 's|^[^/]*/\(.*\)/$|./usr/local/\1|p' | { grep -vxFf "$roots/before" || true; } |
		LC_ALL=C sort -r | (cd "$root" && xargs -r rmdir --ignore-fail-on-non-empty 2>/dev/null) || true
	files "$roots/after"
	same 'the archive'

	step 'the package of the distribution'
	fresh
	package=$(basename "$(one "batchscore_*_$arch.deb")")
	# What it depends on is no rest of it.
	# shellcheck disable=SC2016 # for the shell inside
	inside sh -c 'for jpeg in libturbojpeg0 libturbojpeg; do apt-get -qq install -y --no-install-recommends "$jpeg" systemd && exit; done; exit 1' >/dev/null 2>&1
	files "$roots/before"
	inside apt-get -qq install -y --no-install-recommends "/mnt/dist/$package" >/dev/null
	inside /mnt/installed.sh /usr
	# Some versions report what they do not know with exit code 0.
	inside systemd-analyze verify --man=no /usr/lib/systemd/system/batchscore.timer 2>&1 | tee "$roots/units"
	! grep batchscore "$roots/units" || die "$suite: systemd does not take the units"
	inside systemd-sysusers batchscore.conf
	inside getent passwd batchscore
	inside userdel batchscore
	inside rm -f /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow-
	inside apt-get -qq purge -y batchscore >/dev/null
	rm -f "$root"/etc/{passwd,group,shadow,gshadow}-
	files "$roots/after"
	sed -i -E '\#^\./etc/(passwd|group|shadow|gshadow|subuid|subgid)-$#d' "$roots/before" "$roots/after"
	same 'the package'

	step 'the wheel'
	fresh
	inside python3 -m venv /opt/environment
	files "$roots/before"
	wheel=$(basename "$(one "batchscore-*_$(uname -m).whl")")
	inside /opt/environment/bin/pip install --quiet --disable-pip-version-check --no-index "/mnt/dist/$wheel"
	inside env PATH=/opt/environment/bin:/usr/bin:/bin /mnt/installed.sh /opt/environment
	inside /opt/environment/bin/pip uninstall --quiet --yes batchscore
	files "$roots/after"
	same 'the wheel'

	step 'a result in Python'
	install -m 0644 "$here/../python/check_read.py" "$here/../python/check_requirements.txt" "$root/mnt/"
	inside /opt/environment/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement /mnt/check_requirements.txt
	inside /opt/environment/bin/pip install --quiet --disable-pip-version-check --no-index "batchscore[pandas] @ file:///mnt/dist/$wheel"
	inside /opt/environment/bin/python /mnt/check_read.py /mnt/out pandas polars pyarrow
done
[ -z "${root:-}" ] || umount -R "$root"
printf '\ndist-check: all packages work in %s\n' "$*"
