#!/bin/bash
# Run in the repository's root. Writes explore_*.jsonl (a line a plan, as it comes).
here=$(cd "$(dirname "$0")" && pwd)
export PYTHONPATH="src:.:$PYTHONPATH" LIMIT=${LIMIT:-145}
timeout $((LIMIT + 20)) python3 "$here/explore.py" > "$OUT/explore.log" 2>&1 || echo "explore ended with $?"
tail -n 3 "$OUT/explore.log"
