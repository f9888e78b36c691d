"""cuDNN's timing against a front end in plain Python: layouts, filters of plans, wrong answers, notes."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from autograder.launch import cudnn as module
from autograder.launch.cudnn import arrange, convolution, dims_and_strides, time_convolution
from gpulabs.convolution import conv2d
from tests.autograder.launch.fake_gpu import BASE, FakeGpu

PLANS = ("unsupported", "slow", "wrong", "fast")


class Tensor:
    def __init__(self, dim: Any = None, stride: Any = None) -> None:
        self.dim, self.stride = dim, stride

    def set_output(self, value: bool) -> Tensor:
        return self

    def set_data_type(self, value: Any) -> Tensor:
        return self

    def set_uid(self, value: int) -> Tensor:
        return self

    def set_dim(self, dim: list[int]) -> Tensor:
        self.dim = dim
        return self

    def set_stride(self, stride: list[int]) -> Tensor:
        self.stride = stride
        return self


class Graph:
    """One convolution; executes on the fake GPU's memory through the strides that it was given."""

    gpu: FakeGpu
    deselected: tuple[str, ...] = ()

    def __init__(self, **_: Any) -> None:
        self.tensors: list[Tensor] = []

    def tensor(self, *, dim: Any, stride: Any, **_: Any) -> Tensor:
        self.tensors.append(Tensor(dim, stride))
        return self.tensors[-1]

    def conv_fprop(self, *, pre_padding: Any, post_padding: Any, stride: Any, **_: Any) -> Tensor:
        self.pads, self.step = (pre_padding, post_padding), stride[0]
        self.tensors.append(Tensor())
        return self.tensors[-1]

    def validate(self) -> None: ...

    build_operation_graph = check_support = validate

    def create_execution_plans(self, modes: Any) -> None:
        self.planned = True

    def deselect_numeric_notes(self, notes: Any) -> None:
        assert self.planned  # the front end filters the plans that it has
        Graph.deselected = tuple(notes)

    def get_execution_plan_count(self) -> int:
        return len(PLANS)

    def build_plan_at_index(self, index: int) -> None:
        if PLANS[index] == "unsupported":
            raise RuntimeError("plan is not supported")

    def get_workspace_size_plan_at_index(self, index: int) -> int:
        return 0

    def get_plan_name_at_index(self, index: int) -> str:
        return PLANS[index]

    def execute_plan_at_index(self, addresses: dict[int, int], workspace: int, index: int, handle: Any) -> None:
        views = []
        for uid, tensor in enumerate(self.tensors, start=1):
            raw = self.gpu.memory[addresses[uid] - BASE :]
            size = 4 * int(np.prod(tensor.dim))
            strides = [4 * step for step in tensor.stride]
            flat = raw[:size].view(np.float32)
            views.append(np.lib.stride_tricks.as_strided(flat, tensor.dim, strides))
        image, weight, output = views
        pads = ((0, 0), *zip(*self.pads, strict=True), (0, 0))
        padded = np.pad(image.transpose(0, 2, 3, 1), pads)
        output[...] = conv2d(padded, weight.transpose(2, 3, 1, 0), self.step).transpose(0, 3, 1, 2)
        output[0, 0, 0, 0] += PLANS[index] == "wrong"
        self.gpu.clock_ms += {"slow": 4.0, "fast": 2.0, "wrong": 1.0}[PLANS[index]]


def front_end() -> SimpleNamespace:
    names = ("TENSOR_CORE", "DOWN_CONVERT_INPUTS", "REDUCED_PRECISION_REDUCTION")
    return SimpleNamespace(
        pygraph=Graph,
        data_type=SimpleNamespace(FLOAT="float"),
        heur_mode=SimpleNamespace(A="A", B="B", FALLBACK="F"),
        numerical_note=SimpleNamespace(**{name: name for name in names}),
        backend_version=lambda: 91900,
        create_handle=lambda: 7,
        destroy_handle=lambda handle: None,
        set_stream=lambda handle, stream: None,
    )


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setitem(sys.modules, "cudnn", front_end())
    gpu = FakeGpu()
    gpu.stream = 3  # type: ignore[attr-defined]
    monkeypatch.setattr(Graph, "gpu", gpu, raising=False)
    # The flush needs 64 MB on a real GPU.
    monkeypatch.setattr(
        gpu, "fill", lambda address, word, words: None if words > 1 << 20 else FakeGpu.fill(gpu, address, word, words)
    )
    return gpu


def test_best_right_plan_wins_and_tf32_is_out(gpu: Any) -> None:
    random = np.random.default_rng(0)
    x, w = random.normal(size=(2, 6, 5, 3)).astype(np.float32), random.normal(size=(4, 3, 3, 2)).astype(np.float32)
    y = conv2d(x, w, 2, "same")
    timing = time_convolution(gpu, convolution(x.shape, w.shape, y.shape, 2), x, w, y)
    assert (timing.plan, timing.index, timing.median_ms, timing.plans) == ("fast", 3, 2.0, 2)
    assert timing.layout == "NHWC"
    assert (len(timing.times_ms), timing.version) == (module.RUNS, "91900")
    assert set(Graph.deselected) == {"TENSOR_CORE", "DOWN_CONVERT_INPUTS", "REDUCED_PRECISION_REDUCTION"}


def test_missing_front_end_is_a_note(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cudnn", None)
    x, w = np.zeros((1, 3, 3, 1), np.float32), np.zeros((1, 1, 1, 1), np.float32)
    timing = time_convolution(gpu, convolution(x.shape, w.shape, x.shape, 1), x, w)
    assert timing.times_ms == ()
    assert np.isnan(timing.median_ms)
    assert "pip install nvidia-cudnn-frontend" in timing.note
    assert "\n" not in timing.note


def test_front_end_without_cudnn_is_a_note(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library() -> None:
        raise RuntimeError("Unable to find symbol\ncudnnCreate")

    monkeypatch.setattr(sys.modules["cudnn"], "create_handle", no_library)
    x, w = np.zeros((1, 3, 3, 1), np.float32), np.zeros((1, 1, 1, 1), np.float32)
    note = time_convolution(gpu, convolution(x.shape, w.shape, x.shape, 1), x, w).note
    assert note.endswith("found no usable cuDNN 9 (Unable to find symbol cudnnCreate)")


def test_no_plan_is_a_note(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Graph, "get_execution_plan_count", lambda self: 0)
    x, w = np.zeros((1, 3, 3, 1), np.float32), np.zeros((1, 1, 1, 1), np.float32)
    assert "no plan without TF32" in time_convolution(gpu, convolution(x.shape, w.shape, x.shape, 1), x, w).note


def test_padding_follows_from_the_sizes() -> None:
    assert convolution((1, 7, 10, 3), (4, 3, 3, 1), (1, 4, 5, 1), 2).pads == (1, 2, 0, 1)
    assert convolution((1, 8, 8, 3), (3, 3, 3, 1), (1, 3, 3, 1), 2).pads == (0, 0, 0, 0)


def test_layouts_by_hand() -> None:
    assert dims_and_strides((2, 3, 4, 5), "NCHW") == ([2, 3, 4, 5], [60, 20, 5, 1])
    assert dims_and_strides((2, 3, 4, 5), "NHWC") == ([2, 3, 4, 5], [60, 1, 15, 3])
    x, w = np.arange(24.0).reshape(1, 2, 4, 3), np.arange(24.0).reshape(2, 1, 3, 4)
    assert arrange(x, w, "NCHW")[1].shape == (4, 3, 2, 1)
    assert arrange(x, w, "NHWC")[1].shape == (4, 2, 1, 3)
    assert arrange(x, w, "NCHW")[0][0, 2, 1, 3] == x[0, 1, 3, 2]
