"""cuDNN's own kernel time for a convolution, through its Python front end (optional).

float32 with TF32 off: plans that use tensor cores or convert their inputs down are deselected. Both
layouts are tried and every plan that builds; the best one's median stands in the report, measured
as the race is measured: events on the same stream, L2 flushed, transposes not counted.

The front end is `pip install nvidia-cudnn-frontend` (1.26.0 is what this was written for), and it
wants cuDNN 9 (`nvidia-cudnn-cu12` or `nvidia-cudnn-cu13`). Without them there is a note, no error.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from autograder.launch.arena import POISON_WORD
from autograder.launch.gpu import CudaGpu, GpuFault

Array = npt.NDArray[Any]

INSTALL = "pip install nvidia-cudnn-frontend==1.26.0"
X, W, Y = 1, 2, 3  # ids of the graph's tensors
LAYOUTS = ("NHWC", "NCHW")
TRIAL_RUNS = 3
RUNS = 15
FLUSHES = 10
"""The front end takes some 0.1 ms to queue a plan: the GPU has to be busy for longer, or that is measured."""
WORKSPACE_LIMIT_BYTES = 1 << 30
TOLERANCE = 1e-3
"""Of the largest output; Winograd in float32 stays inside, a wrong layout or TF32 does not."""


@dataclass(frozen=True)
class Convolution:
    """What is convolved.

    Attributes:
        x_shape: NHWC.
        w_shape: HWIO.
        y_shape: NHWC.
        stride: Of both axes.
        pads: (top, bottom, left, right).
    """

    x_shape: tuple[int, int, int, int]
    w_shape: tuple[int, int, int, int]
    y_shape: tuple[int, int, int, int]
    stride: int
    pads: tuple[int, int, int, int]


@dataclass(frozen=True)
class Timing:
    """cuDNN's best.

    Attributes:
        times_ms: Timed runs of the best plan; empty when nothing ran.
        layout: `NHWC` or `NCHW`.
        plan: cuDNN's name of the engine and its knobs.
        plans: Plans that built and gave the right answer.
        note: Why there is no time, or what to know of it.
        version: cuDNN's version.
        index: The best plan's place in its graph's list.
    """

    times_ms: tuple[float, ...] = ()
    layout: str = ""
    plan: str = ""
    plans: int = 0
    note: str = ""
    version: str = ""
    index: int = -1

    @property
    def median_ms(self) -> float:
        """Median; NaN when nothing ran."""
        return statistics.median(self.times_ms) if self.times_ms else float("nan")


def convolution(x_shape: Sequence[int], w_shape: Sequence[int], y_shape: Sequence[int], stride: int) -> Convolution:
    """Describes a convolution from its shapes; the padding is what the output's size asks for."""
    pads: list[int] = []
    for size, taps, outputs in zip(x_shape[1:3], w_shape[:2], y_shape[1:3], strict=True):
        total = max((outputs - 1) * stride + taps - size, 0)
        pads += [total // 2, total - total // 2]
    shapes = [(int(a), int(b), int(c), int(d)) for a, b, c, d in (x_shape, w_shape, y_shape)]
    return Convolution(shapes[0], shapes[1], shapes[2], stride, (pads[0], pads[1], pads[2], pads[3]))


def time_convolution(
    gpu: CudaGpu,
    what: Convolution,
    x: Array,
    w: Array,
    expected: Array | None = None,
    budget_s: float = 10.0,
    *,
    tf32: bool = False,
) -> Timing:
    """Times cuDNN's best float32 plan.

    Args:
        gpu: Device and stream to run on.
        what: Shapes, stride and padding.
        x: Input, NHWC float32.
        w: Filter, HWIO float32.
        expected: Right output, NHWC; plans that give another one are left out.
        budget_s: Plans not tried by then are not tried.
        tf32: Allow plans on tensor cores.

    Returns:
        The timing, or one without times whose note says why.
    """
    try:
        cudnn = frontend()
        version = str(cudnn.backend_version())
        handle = cudnn.create_handle()
    except ImportError as error:
        return Timing(note=f"cuDNN is not compared: {INSTALL} ({_line(error)})")
    except Exception as error:  # the front end raises what its C++ raises
        return Timing(note=f"cuDNN is not compared: its front end found no usable cuDNN 9 ({_line(error)})")
    deadline = time.monotonic() + budget_s
    best, notes = Timing(), []
    try:
        cudnn.set_stream(handle=handle, stream=gpu.stream)
        for layout in LAYOUTS:
            try:
                session = Session(cudnn, handle, gpu, what, layout, x, w, tf32=tf32)
                try:
                    found = _time_layout(session, layout, expected, deadline)
                finally:
                    session.close()
            except GpuFault:
                raise
            except Exception as error:  # cuDNN's own exception types differ from version to version
                notes.append(f"{layout}: {type(error).__name__}: {_line(error)}")
                continue
            if found.times_ms and (not best.times_ms or found.median_ms < best.median_ms):
                best = found
    finally:
        cudnn.destroy_handle(handle)
    if not best.times_ms:
        return Timing(note="cuDNN is not compared: " + ("; ".join(notes) or "no plan without TF32"), version=version)
    return replace(best, note="; ".join(notes), version=version)


def dims_and_strides(shape: Sequence[int], layout: str) -> tuple[list[int], list[int]]:
    """Sizes and strides of N, C, H, W: in cuDNN the axes keep this order, the strides tell the layout.

    Args:
        shape: (N, C, H, W), or (K, C, R, S) of a filter.
        layout: `NCHW` or `NHWC`.
    """
    n, c, h, w = shape
    if layout == "NCHW":
        return [n, c, h, w], [c * h * w, h * w, w, 1]
    return [n, c, h, w], [h * w * c, 1, w * c, c]


def arrange(x: Array, w: Array, layout: str) -> tuple[Array, Array]:
    """NHWC and HWIO arrays as they lie in memory in this layout: KRSC or KCRS for the filter."""
    if layout == "NCHW":
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2)), np.ascontiguousarray(w.transpose(3, 2, 0, 1))
    return np.ascontiguousarray(x), np.ascontiguousarray(w.transpose(3, 0, 1, 2))


def build_graph(cudnn: Any, handle: Any, what: Convolution, layout: str, *, tf32: bool = False) -> Any:
    """A graph of one convolution with its candidate plans; without `tf32` those on tensor cores are deselected."""
    float32 = cudnn.data_type.FLOAT
    (n, h, width, c), (r, s, _, k), (_, h_out, w_out, _) = what.x_shape, what.w_shape, what.y_shape
    top, bottom, left, right = what.pads
    graph = cudnn.pygraph(
        io_data_type=float32, intermediate_data_type=float32, compute_data_type=float32, handle=handle
    )
    x_dim, x_stride = dims_and_strides((n, c, h, width), layout)
    w_dim, w_stride = dims_and_strides((k, c, r, s), layout)
    y_dim, y_stride = dims_and_strides((n, k, h_out, w_out), layout)
    image = graph.tensor(name="x", dim=x_dim, stride=x_stride, data_type=float32, uid=X)
    weight = graph.tensor(name="w", dim=w_dim, stride=w_stride, data_type=float32, uid=W)
    output = graph.conv_fprop(
        image=image,
        weight=weight,
        pre_padding=[top, left],
        post_padding=[bottom, right],
        stride=[what.stride, what.stride],
        dilation=[1, 1],
    )
    output.set_output(True).set_data_type(float32)
    output.set_dim(y_dim).set_stride(y_stride)
    output.set_uid(Y)
    graph.validate()
    graph.build_operation_graph()
    graph.create_execution_plans([cudnn.heur_mode.A, cudnn.heur_mode.B, cudnn.heur_mode.FALLBACK])
    notes = cudnn.numerical_note
    unwanted = [notes.REDUCED_PRECISION_REDUCTION]
    graph.deselect_numeric_notes(unwanted if tf32 else [notes.TENSOR_CORE, notes.DOWN_CONVERT_INPUTS, *unwanted])
    graph.check_support()
    return graph


class Session:
    """A graph in one layout, with its tensors in GPU memory; close it to free them."""

    def __init__(
        self,
        cudnn: Any,
        handle: Any,
        gpu: CudaGpu,
        what: Convolution,
        layout: str,
        x: Array,
        w: Array,
        *,
        tf32: bool = False,
    ) -> None:
        """Builds the graph and uploads x and w as the layout wants them."""
        self.graph = build_graph(cudnn, handle, what, layout, tf32=tf32)
        self._handle, self._gpu, self._what, self._layout = handle, gpu, what, layout
        self._memory = contextlib.ExitStack()
        host_x, host_w = arrange(x, w, layout)
        self._output_bytes = 4 * int(np.prod(what.y_shape))
        sizes = {X: host_x.nbytes, W: host_w.nbytes, Y: self._output_bytes}
        self._tensors = {name: self._allocate(size) for name, size in sizes.items()}
        gpu.upload(self._tensors[X], host_x.reshape(-1).view(np.uint8))
        gpu.upload(self._tensors[W], host_w.reshape(-1).view(np.uint8))
        self._flush_bytes = max(2 * gpu.l2_bytes, 64 << 20)
        self._flush = self._allocate(self._flush_bytes)

    def close(self) -> None:
        """Frees the memory."""
        self._memory.close()

    def workspace(self, index: int) -> int | None:
        """Builds a plan and allocates what it works in; None when that is too much."""
        self.graph.build_plan_at_index(index)
        size = int(self.graph.get_workspace_size_plan_at_index(index))
        return None if size > WORKSPACE_LIMIT_BYTES else self._allocate(size)

    def execute(self, index: int, workspace: int) -> None:
        """Queues a plan."""
        self.graph.execute_plan_at_index(self._tensors, workspace, index, handle=self._handle)

    def run(self, index: int, workspace: int) -> float:
        """Runs a plan after a flush of L2; milliseconds between two events."""
        for _ in range(FLUSHES):
            self._gpu.fill(self._flush, 1, self._flush_bytes // 4)
        start = self._gpu.mark()
        self.execute(index, workspace)
        return self._gpu.elapsed_ms(start, self._gpu.mark())

    def answer(self, index: int, workspace: int) -> npt.NDArray[np.float32]:
        """Runs a plan on a poisoned output and returns what it wrote, as NHWC."""
        self._gpu.fill(self._tensors[Y], POISON_WORD, self._output_bytes // 4)
        self.execute(index, workspace)
        got = self._gpu.download(self._tensors[Y], self._output_bytes).view(np.float32)
        n, h_out, w_out, k = self._what.y_shape
        if self._layout == "NCHW":
            return got.reshape(n, k, h_out, w_out).transpose(0, 2, 3, 1)
        return got.reshape(self._what.y_shape)

    def _allocate(self, size: int) -> int:
        address = self._gpu.allocate(max(size, 256))
        self._memory.callback(self._gpu.free, address)
        return address


def _time_layout(session: Session, layout: str, expected: Array | None, deadline: float) -> Timing:
    best: tuple[float, int, int] | None = None
    right = 0
    for index in range(session.graph.get_execution_plan_count()):
        if time.monotonic() > deadline and best:
            break
        try:
            workspace = session.workspace(index)
            if workspace is None:
                continue
            got = session.answer(index, workspace)
        except GpuFault:
            raise
        except Exception:
            continue  # a deselected plan, or one that this GPU does not support
        if expected is not None and not _right(got, expected):
            continue
        right += 1
        trial = statistics.median(session.run(index, workspace) for _ in range(TRIAL_RUNS))
        if best is None or trial < best[0]:
            best = trial, index, workspace
    if best is None:
        return Timing()
    _, index, workspace = best
    times = tuple(session.run(index, workspace) for _ in range(RUNS))
    return Timing(times, layout, plan_name(session.graph, index), right, index=index)


def _right(got: Array, expected: Array) -> bool:
    return bool(np.max(np.abs(got - expected)) <= TOLERANCE * np.max(np.abs(expected)))  # NaN compares false


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]


def plan_name(graph: Any, index: int) -> str:
    """The engine and its knobs, as cuDNN names them."""
    try:
        return str(graph.get_plan_name_at_index(index))
    except Exception:  # absent from older front ends
        return f"plan {index}"


def frontend() -> Any:
    """Imports the front end, with the CUDA libraries that it looks up by name already in the process."""
    try:
        from cuda.pathfinder import load_nvidia_dynamic_lib
    except ImportError:
        pass
    else:
        for name in ("cudart", "nvrtc", "cublasLt", "cublas"):
            with contextlib.suppress(Exception):  # what is missing may be found by the loader all the same
                loaded = load_nvidia_dynamic_lib(name)
                if name == "cudart" and loaded.abs_path:
                    os.environ.setdefault("CUDNN_FRONTEND_CUDART_LIB_NAME", loaded.abs_path)
    import cudnn

    return cudnn
