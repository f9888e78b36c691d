"""The small steps of every stage answer in a sentence and stop nothing."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from gpulabs import teaching
from gpulabs.recordings import recorded_on


def not_written() -> None:
    """A stub, as the release has it."""
    raise NotImplementedError("this part is still yours to write")


@pytest.mark.parametrize(
    ("guess", "truth", "said"),
    [
        (27, 27, "exactly right"),
        (95, 100, "within 10%"),
        (100, 400, "4 times too low"),
        (400, 100, "4 times too high"),
        (0, 1, "it is 1"),
        (1, 0, "it is 0"),
        (np.float32(2), 2, "exactly right"),
    ],
)
def test_compare_answers_in_a_sentence(
    guess: float, truth: float, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert teaching.compare(guess, truth, "threads", show="picture") == "picture"
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("nothing", [..., None, "12", True])
def test_compare_keeps_the_truth_back_until_there_is_a_number(
    nothing: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert teaching.compare(nothing, 4321, show="a picture of it") is None
    out = capsys.readouterr().out
    assert "No prediction yet" in out
    assert "4321" not in out.replace(",", "")


def test_attempt_turns_a_stub_into_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert teaching.attempt(not_written) is None
    assert "not_written is not written yet" in capsys.readouterr().out


def test_attempt_lets_real_mistakes_through() -> None:
    with pytest.raises(ZeroDivisionError):
        teaching.attempt(lambda: 1 // 0)


def test_shrink_averages_squares() -> None:
    image = np.zeros((5, 4, 3), np.uint8)
    image[:2, :2] = 255
    image[0, 2] = 255
    small = teaching.shrink(image, 2)
    assert small.shape == (2, 2, 3)
    assert small.dtype == np.float32
    np.testing.assert_array_equal(small[:, :, 0], [[1, 0.25], [0, 0]])


@pytest.mark.parametrize("gpu", ["NVIDIA H100 80GB HBM3", "NVIDIA H200"])
def test_recorded_prints_a_table_and_returns_gflops(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], gpu: str
) -> None:
    rows = [{"kernel": "naive", "median_ms": 13.4, "gflops": 1100.0}]
    record = {"device": {"gpu": gpu}, "rows": rows}
    (tmp_path / "ladder.json").write_text(json.dumps(record), encoding="utf-8")
    assert teaching.recorded(folder=tmp_path) == {"naive": 1100.0}
    assert recorded_on(folder=tmp_path) == gpu
    out = capsys.readouterr().out
    assert f"Recorded on one {gpu}:" in out
    assert "13.400 ms" in out


@pytest.mark.parametrize("content", [None, "{", "[]", '{"device": {"name": "x"}, "rows": [{}]}'])
def test_recorded_says_when_there_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    if content is not None:
        (tmp_path / "ladder.json").write_text(content, encoding="utf-8")
    assert teaching.recorded(folder=tmp_path) == {}
    assert recorded_on(folder=tmp_path) == ("x" if content and "x" in content else "")
    assert "No recorded GPU times" in capsys.readouterr().out


def test_measure_turns_a_median_into_gflops(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _put_gpu(monkeypatch, simulated=False)
    x, w = np.zeros((1, 4, 4, 1), np.float32), np.zeros((3, 3, 1, 1), np.float32)

    def conv(x: np.ndarray, w: np.ndarray) -> np.ndarray:
        return np.zeros((1, 2, 2, 1), np.float32)

    assert teaching.measure(conv, x, w) == pytest.approx(72 / 2e-3 / 1e9)  # 72 operations in 2 ms
    assert "conv: 2.000 ms (1.900 to 2.200)" in capsys.readouterr().out


def test_measure_takes_no_time_in_the_simulator(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _put_gpu(monkeypatch, simulated=True)
    assert teaching.measure(not_written, None, None) is None
    assert "not timed" in capsys.readouterr().out


def _put_gpu(monkeypatch: pytest.MonkeyPatch, simulated: bool) -> None:
    """Stand-ins for numba, whose arrays stay where they are, and for the clock: 2 ms, whatever it times."""
    numba, timing = ModuleType("numba"), ModuleType("gpulabs.timing")
    cuda = SimpleNamespace(to_device=lambda array: array)
    vars(numba).update(config=SimpleNamespace(ENABLE_CUDASIM=simulated), cuda=cuda)
    vars(timing).update(time_gpu=lambda call: SimpleNamespace(median_ms=2.0, low_ms=1.9, high_ms=2.2))
    monkeypatch.setitem(sys.modules, "numba", numba)
    monkeypatch.setitem(sys.modules, "gpulabs.timing", timing)


def test_the_package_brings_times_for_those_without_a_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    assert teaching.recorded("naive").keys() == {"naive"}
    found = teaching.recorded()
    assert 1.5 < found["coalesced"] / found["naive"] < 4
    assert recorded_on().startswith("NVIDIA ")
    assert f"Recorded on one {recorded_on()}" in capsys.readouterr().out
