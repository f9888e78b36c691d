"""What XLA plans for a GPU, without one: buffer assignments of the lab CNN's step for an H200; writes a JSON record.

    PYTHONPATH=src:. python -m benchmarks.xla_for_gpu lower FOLDER           # needs TensorFlow: programs as text
    PYTHONPATH=src:. python -m benchmarks.xla_for_gpu compile FOLDER --out benchmarks/results/batch/xla_for_h200.json

`compile` runs in an environment of its own with `jax[cuda12-local]` instead of TensorFlow, whose XLA takes a
description of a GPU in its place. Fusions, layouts and lifetimes are the GPU's; what needs a GPU to be tried out is
missing: the scratch space of cuDNN and cuBLAS. One program of a TensorFlow on an H200 (an epoch of bfloat16 training)
came out with 131,610,936 bytes of temporaries there and 131,610,424 here.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from benchmarks.record import record, write
from gpulabs.training_step import StepPlan
from gpulabs.xla_memory import read_dump

COMMAND = (
    "PYTHONPATH=src:. python -m benchmarks.xla_for_gpu compile FOLDER --out benchmarks/results/batch/xla_for_h200.json"
)
PLANS = (
    *(StepPlan(128, name) for name in ("float32", "bfloat16", "float16")),
    *(StepPlan(128, name, recompute=True) for name in ("float32", "bfloat16")),
    *(StepPlan(2048, name) for name in ("float32", "bfloat16")),
    StepPlan(8192),
    StepPlan(128, network="small_cnn"),
)
H200 = """
gpu_device_info {
  threads_per_block_limit: 1024  threads_per_warp: 32  threads_per_core_limit: 2048  core_count: 132  fpus_per_core: 128
  shared_memory_per_block: 49152  shared_memory_per_core: 233472  shared_memory_per_block_optin: 232448
  block_dim_limit_x: 2147483647  block_dim_limit_y: 65535  block_dim_limit_z: 65535
  memory_bandwidth: 4800000000000  l2_cache_size: 52428800  clock_rate_ghz: 1.98  device_memory_size: 150754820096
  registers_per_core_limit: 65536  registers_per_block_limit: 65536  cuda_compute_capability { major: 9 }
}
platform_name: "CUDA"  runtime_version { major: 12 minor: 8 }  dnn_version_info { major: 9 minor: 7 }
device_description_str: "NVIDIA H200"
"""
"""The GPU, as XLA describes one: from NVIDIA's data sheet and an H100's description."""


def lower(folder: Path) -> None:
    """Writes each plan and its program, as TensorFlow hands it to XLA."""
    import tensorflow as tf

    from gpulabs.training_step import network, optimizer, training_step

    folder.mkdir(parents=True, exist_ok=True)
    for place, plan in enumerate(PLANS):
        tf.keras.backend.clear_session()  # or layers are numbered on
        model, chosen = network(plan), optimizer(plan)
        chosen.build(model.trainable_variables)
        x = tf.zeros((plan.batch, *model.input_shape[1:]))
        y = tf.zeros((plan.batch,), tf.int32)
        text = training_step(plan, model, chosen).experimental_get_compiler_ir(x, y)(stage="hlo")
        (folder / f"{place}.json").write_text(json.dumps(plan.as_dict()), encoding="utf-8")
        (folder / f"{place}.hlo.txt").write_text(text, encoding="utf-8")
        print(plan, file=sys.stderr, flush=True)


def compile_for_gpu(program: Path, dump: Path) -> None:
    """Compiles one program for an H200; XLA writes what it did to `dump`."""
    os.environ["XLA_FLAGS"] = f"--xla_dump_to={dump} --xla_dump_hlo_as_text"
    os.environ["JAX_PLATFORMS"] = "cpu"  # or jax looks for a GPU and gives up on CUDA
    from jax._src import compiler
    from jax._src.interpreters import mlir
    from jax._src.lib import _jax, xla_client
    from jax._src.lib.mlir import ir
    from jax.experimental import topologies
    from jaxlib import _hlo

    topology = topologies.get_topology_desc(
        platform="cuda", topology_name="1x1x1", topology="1x1x1", target_config=H200
    )
    text = program.read_text(encoding="utf-8").replace(" copy(", " reshape(")  # StableHLO has no copy
    module = _hlo.hlo_module_from_text(text).as_serialized_hlo_module_proto()
    stable = _jax.mlir.xla_computation_to_mlir_module(xla_client.XlaComputation(module))
    with mlir.make_ir_context():
        parsed = ir.Module.parse(stable)
    devices = tuple(topology.devices)
    devices[0].client.compile(parsed, xla_client.DeviceList(devices), compiler.get_compile_options(1, 1))


def main() -> int:
    """Lowers, or compiles one program a process and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("lower", "compile"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", type=int, help="compile this one, in this process; print what was found")
    asked = parser.parse_args()
    if asked.step == "lower":
        lower(asked.folder)
        return 0
    if asked.only is not None:
        dump = asked.folder / f"{asked.only}.dump"
        if not list(dump.glob("*buffer-assignment.txt")):
            compile_for_gpu(asked.folder / f"{asked.only}.hlo.txt", dump)
        print(json.dumps(read_dump(dump)))
        return 0
    import subprocess
    from importlib.metadata import version

    rows = []
    for place in range(len(list(asked.folder.glob("*.hlo.txt")))):
        line = subprocess.run(
            [sys.executable, "-m", "benchmarks.xla_for_gpu", "compile", str(asked.folder), "--only", str(place)],
            check=True, stdout=subprocess.PIPE, text=True,
        ).stdout.splitlines()[-1]  # fmt: skip
        plan = json.loads((asked.folder / f"{place}.json").read_text(encoding="utf-8"))
        rows.append({"plan": plan, "xla": json.loads(line)})
    about = {"compiled_for": "NVIDIA H200", "by": f"XLA of jaxlib {version('jaxlib')}", "rows": rows}
    write(asked.out, record("xla_for_gpu", COMMAND, about))
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
