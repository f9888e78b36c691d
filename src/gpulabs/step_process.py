"""The process that builds, compiles and runs one training step: `python -m gpulabs.step_process '{"batch": 32, ...}'`.

A process of its own for each configuration: TensorFlow's memory figures belong to a process, a freed block stays with
its allocator, and a step that runs out of memory takes nobody with it. `gpulabs.measured_step` starts it and reads
its events, one JSON object a line. Whatever else TensorFlow prints goes to stderr.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gpulabs.training_step import StepPlan, network, optimizer, training_step
from gpulabs.xla_memory import DUMP_FLAGS, read_dump

OUT_OF_MEMORY = re.compile(
    r"RESOURCE_EXHAUSTED|ResourceExhaustedError|CUDA_ERROR_OUT_OF_MEMORY|\bOOM\b|MemoryError|bad_alloc"
    r"|(?i:out of memory|cannot allocate memory)"
)
"""What XLA, TensorFlow, CUDA, Python, C++ and Linux say of memory that is used up."""
BLOCK_S = 0.03
"""A block of steps ends in one synchronisation; this long, it costs each step little."""
FEWEST_BLOCKS = 7
WARM_UP_STEPS = 5
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Runs what the first argument asks for."""
    asked = json.loads(sys.argv[1])
    events = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    die_with_parent()
    after = ["start"]

    def tell(event: dict[str, Any]) -> None:
        after[0] = event["event"]
        events.write(json.dumps(event) + "\n")

    try:
        with tempfile.TemporaryDirectory(prefix="gpulabs-step-") as folder:
            measure(StepPlan(**asked["plan"]), asked, Path(folder), tell)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        kind = "out_of_memory" if OUT_OF_MEMORY.search(said) else "failed"
        events.write(json.dumps({"event": kind, "after": after[0], "message": said[:2000]}) + "\n")
    events.flush()
    os._exit(0)  # TensorFlow's own end takes a second, and may hang after an out-of-memory


def measure(plan: StepPlan, asked: dict[str, Any], folder: Path, tell: Callable[[dict[str, Any]], None]) -> None:
    """Builds, compiles, runs; tells after each.

    Twice it waits for a line on stdin (or its end): before it compiles, because XLA tries out kernels on the GPU then,
    and before it times steps.

    Args:
        plan: What to train.
        asked: `seconds` of timed steps (0: none), `memory_limit_mb` or None, `dump` (whether XLA's buffer assignment is
            read).
        folder: For XLA's dump.
        tell: Takes events.
    """
    if asked.get("dump"):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {DUMP_FLAGS.format(folder=folder)}".strip()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    limit_mb = asked.get("memory_limit_mb")
    if gpus and limit_mb:
        tf.config.set_logical_device_configuration(gpus[0], [tf.config.LogicalDeviceConfiguration(limit_mb)])
    elif gpus:
        tf.config.experimental.set_memory_growth(gpus[0], True)
    if not plan.tf32:
        tf.config.experimental.enable_tensor_float_32_execution(False)
    memory = (lambda: tf.config.experimental.get_memory_info("GPU:0")) if gpus else (lambda: None)
    model = network(plan)
    chosen = optimizer(plan)
    chosen.build(model.trainable_variables)
    tell({"event": "built", "device": "gpu" if gpus else "cpu", "memory": memory()})
    x = tf.random.stateless_uniform((plan.batch, *model.input_shape[1:]), (1, 2))
    y = tf.random.stateless_uniform((plan.batch,), (3, 4), 0, model.output_shape[-1], tf.int32)
    only_compile = not gpus and (limit_mb or not asked.get("seconds"))
    step = training_step(plan, model, chosen, jit=bool(gpus or only_compile or asked.get("dump")))
    step.get_concrete_function(x, y)
    tell({"event": "prepared", "memory": memory()})
    sys.stdin.readline()

    start = time.perf_counter()
    if only_compile:
        step.experimental_get_compiler_ir(x, y)(stage="optimized_hlo")
    else:
        float(step(x, y))
    xla = read_dump(folder) if asked.get("dump") else None
    tell({"event": "compiled", "seconds": time.perf_counter() - start, "memory": memory(), "xla": xla})
    if not gpus and limit_mb and xla and xla["total_bytes"] > limit_mb * 2**20:
        raise MemoryError(f"out of memory: the step needs {xla['total_bytes'] / 2**20:.0f} MiB of {limit_mb} MiB")
    if gpus:
        tf.config.experimental.reset_memory_stats("GPU:0")
        for _ in range(WARM_UP_STEPS):
            float(step(x, y))
    tell({"event": "warm", "memory": memory()})
    if asked.get("seconds"):
        sys.stdin.readline()
        times_ms, steps = timed(lambda: step(x, y), float, asked["seconds"])
        tell({"event": "timed", "times_ms": times_ms, "steps_a_block": steps, "memory": memory()})


def timed(
    run: Callable[[], Any],
    wait: Callable[[Any], Any],
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[list[float], int]:
    """Times steps in blocks: the GPU works while the host queues the next step, as in training.

    Args:
        run: Queues one step and returns its loss.
        wait: Waits for a loss.
        seconds: How long all blocks take, about; at least `FEWEST_BLOCKS` are run.
        clock: Seconds; for tests.

    Returns:
        Milliseconds a step, one figure a block, and the steps of a block.
    """

    def block(steps: int) -> float:
        start = clock()
        for _ in range(steps):
            loss = run()
        wait(loss)
        return (clock() - start) / steps

    wait(run())
    one = statistics.median(block(1) for _ in range(WARM_UP_STEPS))
    steps = max(1, round(BLOCK_S / one)) if one > 0 else 1
    steps = max(1, round(BLOCK_S / block(steps)))  # queued steps overlap: a block is shorter than its steps alone
    found: list[float] = []
    end = clock() + seconds
    while clock() < end or len(found) < FEWEST_BLOCKS:
        found.append(block(steps) * 1e3)
    return found, steps


def die_with_parent() -> None:
    """Asks Linux to kill this process when its parent ends, however that ends."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        return  # not Linux: the parent's own clean-up has to do
    if os.getppid() == 1:
        os._exit(1)  # it ended before


if __name__ == "__main__":
    main()
