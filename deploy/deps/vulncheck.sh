#!/usr/bin/env bash
# Compares every version that is linked, shipped or used by tests with databases of known
# vulnerabilities. It succeeds only if all of them could be asked and know nothing.
#
#	vulncheck.sh [FILE]
#
# It lists the versions first, and writes them to FILE for osv-scanner if one is named. Go
# code is checked by govulncheck, which also finds out whether the vulnerable functions are
# called; modules, npm and Python packages by osv-scanner. What a distribution chooses is
# listed and not checked: its security tracker knows about it.
#
# The databases are the public ones unless these variables name copies:
#
#	GOVULNDB  a URL, such as file:///srv/vulndb, in the layout of Go's database
#	OSV_DB    a folder with osv-scalibr/ECOSYSTEM/all.zip for Go, npm and PyPI
#
# Exit codes: 0 nothing is known, 1 something is, 2 it could not be found out.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."

say() { printf 'vulncheck: %s\n' "$*" >&2; }
fail() {
	say "error: $*"
	exit 2
}

# reach URL DATABASE HOW: ends if a database does not answer, before anything else is done.
reach() {
	curl -sS -o "$scratch/answer" --connect-timeout 20 --max-time 60 --retry 2 "$1" ||
		fail "the database of $2 could not be reached, so nothing was checked: $3"
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# A program that a variable names may have its own way to a database.
[ -n "${GOVULNCHECK:-}" ] || reach "${GOVULNDB:-https://vuln.go.dev}/index/db.json" Go 'set GOVULNDB to the URL of a copy'
[ -n "${OSV_SCANNER:-}${OSV_DB:-}" ] || reach https://api.osv.dev/ OSV 'set OSV_DB to a folder with a copy'

# osv-scanner takes the form of a file from its name.
list=$scratch/osv-scanner.json
${PINNED:-go run ./deploy/deps/pinned} -o "$list" || fail 'the versions could not be listed'
[ -z "${1:-}" ] || cp "$list" "$1"

found=0

# tool VARIABLE PACKAGE: sets program to the one that a variable names, or builds it. "go run"
# would hide how it ends.
tool() {
	program=${!1:-}
	[ -n "$program" ] && return
	program=$scratch/$(basename "${2%@*}")
	GOBIN=$scratch go install "$2" || fail "$2 could not be fetched and built"
}

# govulncheck ends with 3 if it finds something, and with 1 for any error.
code=0
tool GOVULNCHECK golang.org/x/vuln/cmd/govulncheck@v1.9.0
"$program" ${GOVULNDB:+-db "$GOVULNDB"} ./... || code=$?
case $code in
0) say 'govulncheck knows of nothing' ;;
3) found=1 ;;
*) fail "the database of Go could not be reached or read (govulncheck ended with $code): set GOVULNDB to the URL of a copy" ;;
esac

# osv-scanner ends with 1 if it finds something, and with other codes for errors. Without a
# database for an ecosystem it would find nothing there.
options=()
if [ -n "${OSV_DB:-}" ]; then
	for ecosystem in Go npm PyPI; do
		[ -s "$OSV_DB/osv-scalibr/$ecosystem/all.zip" ] ||
			fail "the database of $ecosystem could not be reached: there is no $OSV_DB/osv-scalibr/$ecosystem/all.zip"
	done
	options=(--offline --local-db-path="$OSV_DB")
fi
code=0
tool OSV_SCANNER github.com/google/osv-scanner/v2/cmd/osv-scanner@v2.5.0
"$program" scan source --verbosity=warn "${options[@]}" --lockfile="osv-scanner:$list" || code=$?
case $code in
0) say 'osv-scanner knows of nothing' ;;
1) found=1 ;;
*) fail "the database of OSV could not be reached or read (osv-scanner ended with $code): set OSV_DB to a folder with a copy" ;;
esac

[ "$found" = 0 ] || say 'something is known: see above'
exit "$found"
