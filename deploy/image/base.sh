#!/usr/bin/env bash
# Makes the root of a minimal Debian in ROOT, which does not exist, for where no registry
# has the base image:
#
#	base.sh ROOT [CODENAME]
#
# As Debian's own slim images it has no manuals, translations and documents, but the
# licences; dpkg leaves them out of later packages, too. CODENAME is a release of Debian or
# Ubuntu that this machine's apt has a source of; the default is this machine's release.
# Packages come from apt's own sources. It needs root and debootstrap.
set -euo pipefail

root=$1

die() {
	printf 'base.sh: error: %s\n' "$*" >&2
	exit 1
}

[ "$(id -u)" = 0 ] || die 'it makes a root file system: run it as root'
command -v debootstrap >/dev/null || die 'debootstrap is missing: apt-get install debootstrap'
[ ! -e "$root" ] || die "$root exists: remove it first"

# shellcheck source=/dev/null
codename=${2:-$(. /etc/os-release && printf %s "$VERSION_CODENAME")}
# shellcheck disable=SC2016 # apt fills these in
sources=$(apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
	grep -E " $codename(-updates|-security)? main\$" | sort -u) || die "apt has no source for $codename main"
mirror=$(sed -n "s/^deb \([^ ]*\) $codename main\$/\1/p" <<<"$sources" | head -n 1)
[ -n "$mirror" ] || die "apt has no source for $codename main"

debootstrap --variant=minbase "$codename" "$root" "$mirror" >"$root.log" 2>&1 || die "debootstrap failed: see $root.log"
rm "$root.log"

printf '%s\n' "$sources" >"$root/etc/apt/sources.list"
cat >"$root/etc/dpkg/dpkg.cfg.d/slim" <<'CONFIG'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/info/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/locale/*
path-include /usr/share/locale/locale.alias
path-exclude /usr/share/man/*
CONFIG
cat >"$root/etc/apt/apt.conf.d/slim" <<'CONFIG'
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
CONFIG
find "$root/usr/share/doc" -mindepth 1 ! -type d ! -name copyright -delete
find "$root/usr/share/doc" -mindepth 1 -type d -empty -delete
rm -rf "$root"/usr/share/{info,lintian}/* "$root"/usr/share/man/*
find "$root/usr/share/locale" -mindepth 1 -maxdepth 1 ! -name locale.alias -exec rm -rf {} +
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/cache/debconf/*-old "$root"/var/cache/ldconfig/*
find "$root/var/log" -type f -delete
# Dates, names and addresses of this machine.
rm -f "$root"/etc/{hostname,resolv.conf,machine-id} "$root"/var/lib/dpkg/*-old
