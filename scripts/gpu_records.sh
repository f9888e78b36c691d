#!/usr/bin/env bash
# Every record of benchmarks/results that needs a GPU, one after the other, on a machine that does nothing else.
#   gpu_records.sh OUT [STEP ...]        PYTHON=... (python3), IMAGES=cifar10.npz for training, JOBS=6 gradings side by side
# Steps, in this order: ladder calibrate lab1 lab2 notebooks hostile regrade overhead batch step_times step_memory training class.
# Each has a time limit, writes as it goes and is kept when another fails; OUT/steps.txt says how each ended.
set -uo pipefail

if [[ $# -lt 1 || $1 == -h || $1 == --help ]]; then
  sed -n '2,5s/^# //p' "$0"
  exit $(( $# < 1 ? 2 : 0 ))
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3} jobs=${JOBS:-6}
steps=("$@")
(( $# )) || steps=(ladder calibrate lab1 lab2 notebooks hostile regrade overhead batch step_times step_memory training class)
export PYTHONPATH="src:.${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 TF_CPP_MIN_LOG_LEVEL=3

step() {  # NAME SECONDS COMMAND...
  local name=$1 limit=$2 began=$SECONDS status
  shift 2
  timeout -k 5 "$limit" "$python" -m "$@" > "$out/$name.log" 2>&1
  status=$?
  echo "$name: status $status after $(( SECONDS - began )) s of $limit" | tee -a "$out/steps.txt"
}

for name in "${steps[@]}"; do
  case $name in
    ladder) step ladder 400 benchmarks.ladder --out "$out/ladder.json" ;;
    calibrate)
      step calibrate 250 autograder.cli calibrate --out "$out/calibration.json" --traces "$out/race_traces.json" ;;
    lab1 | lab2) step "$name" 400 benchmarks.grading "$name" --repeat 3 --jobs "$jobs" --out "$out/${name}_grading.json" ;;
    notebooks)
      for lab in lab1_conv_kernel lab2_fast_conv; do
        step "${lab}_build" 60 benchmarks.solution_notebook build "$lab" "$out/$lab.ipynb"
        step "${lab}_run" 200 benchmarks.solution_notebook run "$out/$lab.ipynb" --out "$out/${lab%%_*}_notebook.json"
      done ;;
    hostile) step hostile 400 benchmarks.hostile_gpu --jobs 3 --budget-s 360 --out "$out/hostile_gpu.json" ;;
    regrade) step regrade 400 benchmarks.regrade --times 100 --jobs 4 --budget-s 360 --out "$out/regrade.json" ;;
    overhead) step overhead 300 benchmarks.overhead --out "$out/overhead.json" ;;
    batch) step batch 300 benchmarks.batch --out "$out/batch.json" ;;
    step_times) step step_times 250 benchmarks.step_times --out "$out/step_times/gpu_lab_cnn.json" ;;
    step_memory)
      step step_memory 30 benchmarks.step_memory --taken-from "$out/batch.json" --out "$out/step_memory/gpu_lab_cnn.json" ;;
    training) step training 400 benchmarks.training ${IMAGES:+--images "$IMAGES"} --out "$out/training.json" ;;
    class) step class 400 benchmarks.class_run --count 100 --jobs "$jobs" --out "$out/class_gpu.json" ;;
    *) echo "gpu_records.sh: no step $name; see gpu_records.sh --help" >&2; exit 2 ;;
  esac
  # What a calibrated machine knows of itself, gradings after it use.
  if [[ -f $out/calibration.json ]]; then export GPULABS_CALIBRATION="$out/calibration.json"; fi
done
