# What fetch.sh installs from the distribution: its apt_install, and the part system.
# shellcheck shell=bash

turbojpeg_found() {
	local ldconfig=ldconfig
	have ldconfig || ldconfig=/sbin/ldconfig
	# Not into grep -q: it would leave early and fail the pipe.
	[[ $("$ldconfig" -p 2>/dev/null) == *libturbojpeg.so.0* ]]
}

# apt_install COMMA-SEPARATED-NAMES...: installs, for each argument, the first
# of its names that the distribution has.
apt_install() {
	local -a root=()
	if [ "$(id -u)" != 0 ]; then
		have sudo || die "installing $* needs root, and sudo is missing: run as root: apt-get install --no-install-recommends ${*//,*/}"
		say 'not root: apt-get runs through sudo, which may ask for a password'
		root=(sudo)
	fi
	local -a apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq)
	local -a chosen
	local updated='' names name found why
	while :; do
		chosen=()
		for names in "$@"; do
			found=''
			for name in ${names//,/ }; do
				if [[ $(apt-cache policy "$name" 2>/dev/null) == *'Candidate: '[!\(]* ]]; then
					found=$name
					break
				fi
			done
			[ -z "$found" ] || chosen+=("$found")
		done
		if [ ${#chosen[@]} = $# ]; then
			say "installing ${chosen[*]} from the distribution, with apt-get"
			"${apt[@]}" install -y --no-install-recommends "${chosen[@]}" >/dev/null && return
			why="apt-get could not install ${chosen[*]}: see its message above"
		else
			why="the distribution's package lists do not hold all of $* (commas: any one of these): enable the repository that does, or install by hand"
		fi
		[ -z "$updated" ] || die "$why"
		say 'updating the package lists, with apt-get'
		"${apt[@]}" update || die 'apt-get update failed: see its message above'
		updated=yes
	done
}

# get_decoders adds the decoders of HEIC, AVIF, JPEG XL and JPEG 2000 to those that get_system
# installs, where the distribution has them. Nothing fails without.
get_decoders() {
	local ldconfig=ldconfig found soname names name
	have apt-cache || return 0
	have ldconfig || ldconfig=/sbin/ldconfig
	found=$("$ldconfig" -p 2>/dev/null) || return 0
	while read -r soname names; do
		[[ $found == *"$soname"* ]] && continue
		for name in ${names//,/ }; do
			[[ $(apt-cache policy "$name" 2>/dev/null) == *'Candidate: '[!\(]* ]] || continue
			missing+=("$name") && words+=("$name ($soname)")
			break
		done
	done <<'DECODERS'
libheif.so.1 libheif1
libde265.so.0 libheif-plugin-libde265
libavif.so libavif16,libavif15,libavif13
libjxl.so libjxl0.11,libjxl0.7
libopenjp2.so.7 libopenjp2-7
DECODERS
}

get_system() {
	local -a missing=() words=()
	have mpirun || { missing+=(openmpi-bin) && words+=("Open MPI (mpirun)"); }
	turbojpeg_found || { missing+=('libturbojpeg0,libturbojpeg') && words+=("libjpeg-turbo (libturbojpeg.so.0)"); }
	get_decoders
	[ ${#missing[@]} = 0 ] && return
	if ! have apt-get; then
		have mpirun || die "mpirun is missing, and this system has no apt-get: install Open MPI by hand and put mpirun on PATH"
		say 'libjpeg-turbo was not found, and this system has no apt-get: without it JPEG decoding is several times slower; install libturbojpeg by hand'
		return
	fi
	apt_install "${missing[@]}"
	have mpirun || die 'openmpi-bin is installed, yet mpirun is not on PATH'
	turbojpeg_found || die 'libturbojpeg is installed, yet the dynamic linker does not list libturbojpeg.so.0'
	printf 'deps: installed: %s\n' "${words[@]}"
}
