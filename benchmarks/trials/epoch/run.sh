#!/usr/bin/env bash
# Ranks variants of the trainer's epoch. Needs $OUT, $CIFAR (npz), python3 with TensorFlow on the GPU. From the root.
# LIMIT (180) seconds: no variant begins after it. Most important first; results.txt grows as it goes.
D=$(cd "$(dirname "$0")" && pwd)
export PYTHONPATH="src:.${PYTHONPATH:+:$PYTHONPATH}" LOCK=/tmp/gpu.lock TF_CPP_MIN_LOG_LEVEL=0
W=${W:-/tmp/trainer3}; rm -rf $W; mkdir -p $W/logs
LIMIT=${LIMIT:-180} T0=$(date +%s)
left() { echo $(( LIMIT - ($(date +%s) - T0) )); }
go() { # name seconds json
  local most=$2; (( $(left) < 12 )) && { echo "no time for $1"; return; }
  (( most > $(left) )) && most=$(left)
  timeout "$most" python3 "$D/variant.py" "$1" "$3" > $W/logs/$1.out 2> $W/logs/$1.err
  local rc=$?
  grep -h RESULT $W/logs/$1.out >> $OUT/results.txt || { echo "FAILED $1 rc=$rc"; grep -v "^I0" $W/logs/$1.err | tail -4 | cut -c1-300; }
  grep -h RESULT $W/logs/$1.out | python3 -c 'import json,sys
for l in sys.stdin:
  r=json.loads(l[7:]); print(r["name"].ljust(9), "steady", r["steady"], "first", r["first"], "fit", r["fit_s"], "loss", r["loss"][-1], "val", r.get("val_accuracy",[0])[-1], r["program"])'
}
CB="--xla_gpu_graph_min_graph_size=1 --xla_gpu_enable_command_buffer=FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,CUDNN,WHILE,CONDITIONAL,DYNAMIC_SLICE_FUSION"
{
# Two lanes: one imports while the other measures; the lock keeps the measured parts apart.
lane1() {
go prod    60 '{"xla":"--xla_dump_to='$W'/hlo --xla_dump_hlo_as_text"}'
go lt      40 '{"xla":"--xla_gpu_enable_cublaslt=true"}'
go keep1   50 '{"epochs":20,"keep":"'$W'/keep"}'
go keep2   45 '{"epochs":20,"keep":"'$W'/keep"}'
go unroll2 50 '{"unroll":2}'
go triton  45 '{"xla":"--xla_gpu_enable_triton_gemm=true"}'
go bn      40 '{"off":["_is_plain_normalization"]}'
}
lane2() {
sleep 4
go bias    40 '{"bias":"apart"}'
go whole   45 '{"xla":"'"$CB"'"}'
go ltwhole 45 '{"xla":"--xla_gpu_enable_cublaslt=true '"$CB"'"}'
go tuned   50 '{"xla":"--xla_gpu_autotune_level=1"}'
go nocb    40 '{"xla":"--xla_gpu_enable_command_buffer="}'
go dense   40 '{"off":["_is_small"]}'
go fp16    40 '{"precision":"mixed_float16"}'
go fp32    40 '{"precision":"float32"}'
}
NCU=$(command -v ncu || ls /usr/local/cuda*/bin/ncu 2>/dev/null | head -1)
ncu_of_a_step() { # alone, after the first four: what each kernel takes
  LOCK=/tmp/gpu.lock timeout 70 "$NCU" --profile-from-start off --clock-control none --cache-control none --metrics gpu__time_duration.sum --launch-count 170 --csv --page raw \
    python3 "$D/variant.py" ncu '{"epochs":1,"val":false,"profile":true,"n":2560,"xla":"--xla_gpu_enable_command_buffer="}' > $W/logs/ncu.csv 2> $W/logs/ncu.err
  echo "ncu rc=$?"; wc -l $W/logs/ncu.csv; cp $W/logs/ncu.csv $OUT/ncu.csv
}
lane1 & lane2 & wait
(( $(left) > -60 )) && [[ -n $NCU ]] && ncu_of_a_step
find $W/hlo -type f -name '*gpu_after_optimizations.txt' -size -4M > $W/list 2>/dev/null
tar czf $OUT/logs.tgz -C $W logs; tar czf $OUT/hlo.tgz -T $W/list 2>/dev/null
echo "[$(( $(date +%s) - T0 ))] end"
} 2>&1 | tee $OUT/summary.txt
