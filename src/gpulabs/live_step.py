"""A training step of this machine to measure in a notebook: the labs' CNN on a GPU, a small net of digits on a CPU.

    step, synchronize = prepare_step(64, on_gpu=bool(lab.gpu))

In the notebook's own process, so that `step` only queues: what `gpulabs bench batch` measures in processes of its own.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

from gpulabs.devices import header
from gpulabs.errors import OutOfMemory

LARGEST_ON_CPU = 2048
SHARE_OF_MEMORY = 0.6
"""Of the GPU's, for the notebook."""
Prepared = tuple[Callable[[], None], Callable[[], None]]


def prepare_step(batch: int, on_gpu: bool) -> Prepared:
    """Builds a training step for batches of one size.

    Args:
        batch: Images a step.
        on_gpu: The labs' CNN, compiled by XLA, with its batch in the GPU's memory; else a network of two hidden layers
            on one core, whose steps are done when `step` returns. That is a CPU result and says nothing of a GPU.

    Returns:
        `step()`, which queues one, and `synchronize()`, which waits for all.

    Raises:
        OutOfMemory: The batch does not fit; on a CPU above 2048, so that there is something to run into.
    """
    return _on_gpu(batch) if on_gpu else _on_cpu(batch)


def _on_cpu(batch: int) -> Prepared:
    from threadpoolctl import threadpool_limits

    from gpulabs.digits_training import DigitsStep

    if batch > LARGEST_ON_CPU:
        raise OutOfMemory(f"out of memory: a batch of {batch} does not fit (the limit that this lab sets on a CPU)")
    threadpool_limits(1)  # stays: with several threads, who else works on the machine decides
    return DigitsStep(batch).run, lambda: None


def _on_gpu(batch: int) -> Prepared:
    import tensorflow as tf

    from gpulabs.step_process import OUT_OF_MEMORY
    from gpulabs.training_step import StepPlan, network, optimizer, training_step

    _leave_memory(tf)
    plan = StepPlan(batch)
    latest: list[Any] = []

    def guarded(work: Callable[[], Any]) -> Any:
        try:
            return work()
        except (tf.errors.OpError, RuntimeError, MemoryError) as error:
            if OUT_OF_MEMORY.search(f"{type(error).__name__}: {error}"):
                raise OutOfMemory(f"out of memory: a batch of {batch} does not fit", str(error)[:500]) from None
            raise

    def build() -> Callable[[], None]:
        model, chosen = network(plan), optimizer(plan)
        chosen.build(model.trainable_variables)
        x = tf.random.stateless_uniform((batch, *model.input_shape[1:]), (1, 2))
        y = tf.random.stateless_uniform((batch,), (3, 4), 0, model.output_shape[-1], tf.int32)
        step = training_step(plan, model, chosen)

        def run() -> None:
            latest[:] = [step(x, y)]

        return run

    run = guarded(build)
    return lambda: guarded(run), lambda: guarded(lambda: [float(loss) for loss in latest])


def _leave_memory(tf: Any) -> None:
    """Leaves a share of the GPU's memory to others: what TensorFlow once took in this process, it keeps to its end.

    The notebook's checks measure in processes of their own, which need some.
    """
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    memory_gb = header().memory_gb
    for gpu in tf.config.list_physical_devices("GPU")[:1]:
        if memory_gb and not tf.config.get_logical_device_configuration(gpu):
            limit = tf.config.LogicalDeviceConfiguration(memory_limit=int(memory_gb * 1e9 * SHARE_OF_MEMORY / 2**20))
            with contextlib.suppress(RuntimeError, ValueError):  # TensorFlow runs already: as the student set it up
                tf.config.set_logical_device_configuration(gpu, [limit])
