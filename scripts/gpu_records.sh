#!/usr/bin/env bash
# Every record of benchmarks/results that needs a GPU, one after the other, on a machine that does nothing else.
#   gpu_records.sh OUT [STEP ...]        PYTHON=... (python3), IMAGES=cifar10.npz (and IMAGES_NAME) for training, JOBS=6 gradings
#                                        SOLUTIONS=FOLDER with their notebooks, where jupytext is missing
# Steps, in this order: ladder calibrate lab1 lab2 notebooks hostile regrade overhead batch step_times step_memory training class.
# Each has a time limit, writes as it goes and is kept when another fails; OUT/steps.txt says how each ended. Started
# again with the same OUT, lab1 and lab2 go on where they were.
set -uo pipefail

if [[ $# -lt 1 || $1 == -h || $1 == --help ]]; then
  sed -n '2,7s/^# //p' "$0"
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
    lab1 | lab2)
      slug=$(basename "$(echo solutions/"$name"_*)")
      step "$name" 310 benchmarks.grading "$name" --repeat 1 --jobs "$jobs" --budget-s 270 \
        ${SOLUTIONS:+--solution "$SOLUTIONS/$slug.ipynb"} --out "$out/${name}_grading.json" ;;
    notebooks)
      for lab in lab1_conv_kernel lab2_fast_conv; do
        notebook=${SOLUTIONS:+$SOLUTIONS/$lab.ipynb}
        if [[ -z $notebook ]]; then
          notebook=$out/$lab.ipynb
          step "${lab}_build" 60 benchmarks.solution_notebook build "$lab" "$notebook"
        fi
        step "${lab}_run" 200 benchmarks.solution_notebook run "$notebook" --out "$out/${lab%%_*}_notebook.json"
      done ;;
    hostile)  # goes on from the record of an earlier session: what ended as expected is not tried again
      [[ -f $out/hostile_gpu.json ]] || cp benchmarks/results/hostile_gpu.json "$out/" 2> /dev/null
      step hostile 420 benchmarks.hostile_gpu --jobs 4 --budget-s 380 --out "$out/hostile_gpu.json" ;;
    regrade)  # goes on from its own record, so that a second call makes the hundred full
      step regrade 360 benchmarks.regrade --times 100 --jobs "$jobs" --budget-s 300 --out "$out/regrade.json" ;;
    overhead) step overhead 300 benchmarks.overhead --out "$out/overhead.json" ;;
    batch) step batch 300 benchmarks.batch --budget-s 190 --out "$out/batch/gpu.json" ;;
    step_times)  # of the steps that batch timed
      step step_times 20 benchmarks.step_times --from "$out/batch/gpu.json" --out "$out/step_times/gpu_lab_cnn.json" ;;
    step_memory)
      step step_memory 30 benchmarks.step_memory --taken-from "$out/batch/gpu.json" --out "$out/step_memory/gpu_lab_cnn.json" ;;
    training) step training 430 benchmarks.training ${IMAGES:+--images "$IMAGES"} --name "${IMAGES_NAME:-CIFAR-10}" --budget-s 415 --resume --out "$out/training.json" ;;
    class) step class 400 benchmarks.class_run --count 100 --jobs "$jobs" --out "$out/class_gpu.json" ;;
    *) echo "gpu_records.sh: no step $name; see gpu_records.sh --help" >&2; exit 2 ;;
  esac
  # What a calibrated machine knows of itself, gradings after it use.
  if [[ -f $out/calibration.json ]]; then export GPULABS_CALIBRATION="$out/calibration.json"; fi
done
