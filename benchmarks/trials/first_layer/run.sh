#!/usr/bin/env bash
# The first layer's kernels, all in one interleaved run beside cuDNN: run.sh, from the repository's root, with $OUT. At most BUDGET seconds.
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export PYTHONPATH=src:.:${PYTHONPATH:-} PYTHONUNBUFFERED=1 BUDGET=${BUDGET:-110}
mkdir -p "$OUT"
timeout -k 5 $(( BUDGET + 10 )) "${PY:-python3}" "$HERE/sweep.py" "$OUT" "$@" 2>&1 | tee "$OUT/few.log"
