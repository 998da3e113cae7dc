#!/usr/bin/env bash
# Prints which line of GPU libraries suits this machine, cuda12 or cuda13, and why, in two
# lines. It fails for GPUs and drivers that neither line supports.
#
# docs/administrator.md has the table. ONNX Runtime decides about compute capabilities,
# CUDA about drivers.
set -euo pipefail

root=${BATCHSCORE_GPU_ROOT:-}

answer() {
	printf '%s\n%s\n' "$1" "$2"
	exit
}
refuse() {
	printf '%s\n' "$*" >&2
	exit 1
}

# judge TENTHS DRIVER NAME: decides by the lowest compute capability times ten, or '' if
# that is unknown, and by the driver's release, or ''.
judge() {
	local tenths=$1 driver=$2 name=$3 major=${2%%.*}
	[ -z "$tenths" ] || [ "$tenths" -ge 60 ] ||
		refuse "$name is older than any GPU that today's libraries support: they need a P100 or newer (compute capability 6.0);" \
			"to plan for it, use batchscore bench simulate"
	[ -z "$major" ] || [ "$major" -ge 525 ] || refuse "the NVIDIA driver $driver is too old: CUDA 12 needs 525 or newer, CUDA 13 needs 580 or newer"
	[ -z "$tenths" ] || [ "$tenths" -ge 75 ] || answer cuda12 "$name needs it: the libraries for CUDA 13 support no GPU older than a T4 (compute capability 7.5)"
	[ -z "$tenths" ] || [ "$tenths" -lt 100 ] || [ "$tenths" -ge 120 ] ||
		answer cuda12 "$name needs it: ONNX Runtime for CUDA 13 has no code for it (compute capability 10)"
	[ -z "$major" ] || [ "$major" -ge 580 ] || answer cuda12 "the NVIDIA driver $driver needs it: CUDA 13 needs 580 or newer"
	[ -n "$major" ] || answer cuda12 "it suits every supported GPU and driver, and nothing says which driver this machine has"
	answer cuda13 "${name:-the GPU} and the NVIDIA driver $driver support it"
}

# nvidia-smi prints lines such as "7.0, 535.104.05, Tesla V100-SXM2-16GB".
oldest='' name='' driver=''
while IFS=, read -r capability version model; do
	[[ $capability =~ ^\ *([0-9]+)\.([0-9])$ ]] || continue
	tenths=${BASH_REMATCH[1]}${BASH_REMATCH[2]}
	driver=${version# }
	[ -z "$oldest" ] || [ "$tenths" -lt "$oldest" ] || continue
	oldest=$tenths name=${model# }
done < <(nvidia-smi --query-gpu=compute_cap,driver_version,name --format=csv,noheader 2>/dev/null || true)
[ -z "$oldest" ] || judge "$oldest" "$driver" "$name"

# Without it, the driver's own files say its release and the GPUs' names.
models=$(sed -n 's/^Model:[[:space:]]*//p' "$root"/proc/driver/nvidia/gpus/*/information 2>/dev/null || true)
driver=$(sed -nE '/NVRM version/s/.*[^0-9.]([0-9]{3}\.[0-9.]+) .*/\1/p' "$root/proc/driver/nvidia/version" 2>/dev/null || true)
[ -n "$models$driver" ] || answer cuda12 'no GPU is visible here, and cuda12 suits every supported one; name the other with: deploy/deps/fetch.sh gpu cuda13'
for generation in \
	'30:K80|K40|K20|GTX 7|GRID K' \
	'52:M40|M60|M4|M6|GTX 9|TITAN X$' \
	'60:P100|P40|P6|P4|GTX 10|Quadro P|Quadro GP|TITAN Xp' \
	'70:V100|TITAN V|Quadro GV' \
	'100:B100|B200|B300|GB200|GB300'; do
	old=$(grep -E "(^| )(${generation#*:})" <<<"$models" | head -n 1 || true)
	[ -z "$old" ] || judge "${generation%%:*}" "$driver" "$old"
done
judge '' "$driver" "$(head -n 1 <<<"$models")"
