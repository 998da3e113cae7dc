#!/usr/bin/env bash
# Makes the virtual environments of the peers in the folder given, one for each
# file of requirements. A peer that cannot be installed is left out, with a
# message. Versions and digests are pinned: to change one, edit the .in file and
# run pip-compile --generate-hashes --strip-extras on it, common first.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
to=${1:?usage: setup.sh FOLDER}
mkdir -p "$to"

# make NAME PYTHON VENV-OPTIONS FILE...: an environment NAME of these files.
make_venv() {
  local name=$1 python=$2 options=$3
  shift 3
  local stamp want log="$to/$name.log"
  stamp="$to/$name/stamp"
  want=$(cd "$here" && { "$python" --version; sha256sum "$@"; } | sha256sum)
  if [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then return; fi
  rm -rf "${to:?}/$name"
  local args=()
  for file in "$@"; do args+=(-r "$here/$file"); done
  # shellcheck disable=SC2086 # options are words
  if "$python" -m venv $options "$to/$name" >"$log" 2>&1 &&
    "$to/$name/bin/pip" install --quiet --disable-pip-version-check --require-hashes "${args[@]}" >>"$log" 2>&1; then
    echo "$want" >"$stamp"
    echo "peer $name: installed"
  else
    rm -rf "${to:?}/$name"
    echo "peer $name: skipped, it cannot be installed here: $(tail -n 1 "$log") (all of it: $log)"
  fi
}

make_venv onnxruntime python3 "" common.txt
make_venv openvino python3 "" common.txt openvino.txt
make_venv ray python3 "" common.txt ray.txt
# PyTorch is the system's: the packages of its wheel weigh gigabytes.
if /usr/bin/python3 -c 'import torch, PIL' 2>/dev/null; then
  make_venv torch /usr/bin/python3 --system-site-packages torch.txt
else
  echo "peer torch: skipped: the system's Python has no torch and Pillow (Debian: python3-torch python3-pil)"
fi
