#!/usr/bin/env bash
# Makes a virtual environment and installs gpulabs into it, editable, with the [dev] extra.
#   make_venv.sh FOLDER [CONSTRAINTS]        PYTHON=... picks the interpreter
set -euo pipefail

folder=$1
constraints=${2:-}

usable() {  # a Python that TensorFlow has wheels for, and that can make environments
  "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2> /dev/null
}

find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python; do
    if usable "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  local found="no python3"
  if command -v python3 > /dev/null; then
    found="$(python3 --version 2> /dev/null || echo "a python3 that does not start")"
  fi
  echo "gpulabs: no suitable Python: found $found; it needs Python 3.11, 3.12 or 3.13" \
    "with the venv module (on Debian and Ubuntu: apt install python3 python3-venv); PYTHON=/path/to/python names one." >&2
  return 1
}

if [[ -x $folder/bin/python ]] && ! usable "$folder/bin/python"; then
  echo "gpulabs: $folder was made with another Python; making it anew"
  rm -rf "$folder"
fi
if [[ ! -x $folder/bin/python ]]; then
  python=$(find_python)
  echo "gpulabs: making $folder with $("$python" --version)"
  "$python" -m venv "$folder"
fi

options=()
if [[ -n $constraints ]]; then
  options=(--constraint "$constraints")
fi

echo "gpulabs: installing into $folder (TensorFlow is large: about two minutes the first time)"
log=$folder/install.log
started=$SECONDS
"$folder/bin/python" -m pip install --quiet --upgrade pip > "$log" 2>&1 || { tail -n 20 "$log" >&2; exit 1; }
"$folder/bin/python" -m pip install --quiet "${options[@]}" --editable '.[dev]' >> "$log" 2>&1 &
pip=$!
trap 'kill "$pip" 2> /dev/null' INT TERM
while kill -0 "$pip" 2> /dev/null; do
  sleep 1
  if (( (SECONDS - started) % 15 == 0 )); then
    echo "gpulabs: installing, $((SECONDS - started)) s, $(du -sm "$folder" | cut -f 1) MB"
  fi
done
if ! wait "$pip"; then
  echo "gpulabs: the install failed; the end of $log:" >&2
  tail -n 20 "$log" >&2
  exit 1
fi
echo "gpulabs: installed in $((SECONDS - started)) s"
