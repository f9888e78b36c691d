#!/usr/bin/env bash
# Every trial kernel in the simulator: borders, tails, several blocks; all errors must be 0.0. From the root: simulate.sh [NAME...]
here=$(cd "$(dirname "$0")" && pwd)
names=("$@"); (( $# )) || names=($(cd "$here/src" && ls f*.py | sed 's/\.py$//'))
for name in "${names[@]}"; do
  echo "$name $(PYTHONPATH="src:.:$here" timeout 300 "${PYTHON:-python3}" tests/solutions/simulate_rung.py "$here/src/$name.py" \
    '[[2,5,7,3,4,3,3,1,"same"],[1,12,36,3,40,3,3,1,"valid"],[1,19,33,3,32,3,3,1,"same"]]' 2>&1 | tail -1 | cut -c1-200)"
done
