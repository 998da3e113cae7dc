#!/usr/bin/env bash
# Runs the tests of what depends on the processor on other processors than this
# one, which QEMU emulates.
#
#	deploy/cpus/check.sh short|full [CPU...]
#
#	short  the sums of 8-bit models and the kernels, in seconds
#	full   all tests of models/, except a few that take an emulated
#	       processor too long, first on this one; prints for each how far the
#	       8-bit model of the tests agrees with the float32 model
#
# Without a CPU it uses those below: each represents a kind that ONNX Runtime or the
# kernels here distinguish.
#
#	native       this one, without emulation; in full only
#	Nehalem      SSE4.2
#	SandyBridge  AVX; in full only
#	Haswell      AVX2 and FMA
#	EPYC-Milan   the same, of AMD; in full only
#
# QEMU does not emulate AVX-512: kernels for it are tested only on processors with it.
# ONNXRUNTIME_LIB and BATCHSCORE_CACHE are as for the tests.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mode=${1:-full}
shift || true
cpus=("$@")
case $mode in
short)
	[ ${#cpus[@]} -gt 0 ] || cpus=(Nehalem Haswell)
	packages=(./models/ort ./models/ort/winograd ./models/preprocess ./scorer/review/embedding/products)
	options=(-test.short -test.run '^(TestFault39_.*|TestKernelTwin|TestUsable|TestConcurrent)$')
	;;
full)
	[ ${#cpus[@]} -gt 0 ] || cpus=(native Nehalem SandyBridge Haswell EPYC-Milan)
	readarray -t packages < <(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./models/... ./scorer/review/embedding/products)
	options=(-test.short -test.timeout 30m)
	;;
*)
	echo 'usage: deploy/cpus/check.sh short|full [CPU...]' >&2
	exit 64
	;;
esac
if [ "${cpus[*]}" != native ] && ! command -v qemu-x86_64 >/dev/null; then
	echo 'qemu-x86_64 is missing: deploy/deps/fetch.sh emulator installs it' >&2
	exit 1
fi
if [ "$(uname -m)" != x86_64 ]; then
	echo 'these are processors of x86-64: nothing to check on this machine'
	exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
folders=()
for package in "${packages[@]}"; do
	folder=$(go list -f '{{.Dir}}' "$package")
	folders+=("$folder")
	go test -c -o "$work/${folder//\//+}.test" "$package"
done

# check CPU: runs the tests of all packages and prints a line for each.
check() {
	local cpu=$1 folder log verdict start=$SECONDS
	local -a emulate=() skip=()
	if [ "$cpu" != native ]; then
		# Whole networks, and tests that score for seconds until they are ended.
		emulate=(qemu-x86_64 -cpu "$cpu")
		slow='TestReplacedInNetworks|TestSampleImagesScoreAsInTensorFlow|TestCancellation|TestCloseAfterCancellation'
		slow+='|TestKerasLogits|TestTrainedWeights|TestFault36_ConvertedRowsAreIndependent'
		skip=(-test.skip "^($slow)\$")
	fi
	for folder in "${folders[@]}"; do
		log=$work/$cpu${folder//\//+}.log
		verdict=ok
		# As in CI, nothing may be missing, and so be skipped.
		(cd "$folder" && CI=true "${emulate[@]}" "$work/${folder//\//+}.test" -test.v "${options[@]}" "${skip[@]}") >"$log" 2>&1 || verdict=FAIL
		! grep -q -e '--- SKIP' "$log" || verdict='FAIL: skipped tests'
		printf '%-12s %-24s %s\n' "$cpu" "${folder#"$PWD/"}" "$verdict"
		grep -o 'int8: top-1 agreement.*' "$log" | sort -u | sed "s/^/$(printf '%-12s' "$cpu") /" || true
		if [ "$verdict" != ok ]; then
			grep -v -e '^=== ' -e '--- PASS' -e "TCG doesn't support" "$log" | tail -n 100
			touch "$work/failed"
		fi
	done
	printf '%-12s %d seconds\n' "$cpu" $((SECONDS - start))
}

for cpu in "${cpus[@]}"; do
	while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
	{ check "$cpu" >"$work/$cpu.out" 2>&1; cat "$work/$cpu.out"; } &
done
wait
[ ! -e "$work/failed" ]
