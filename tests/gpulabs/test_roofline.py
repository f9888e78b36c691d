"""The roof, on numbers that can be done by hand."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from gpulabs import roofline
from gpulabs.errors import BadInputError
from gpulabs.roofline import KNOWN_ROOFS, STAND_IN, Roof, intensity, known_roof, roof_for

ROOF = Roof(peak_gflops=100, bandwidth_gb_s=20, name="toy")


@pytest.mark.parametrize(("at", "gflops"), [(1, 20), (5, 100), (50, 100)])
def test_attainable_is_the_lower_of_the_two_limits(at: float, gflops: float) -> None:
    assert ROOF.attainable(at) == gflops


def test_ridge_is_where_the_limits_meet() -> None:
    assert ROOF.ridge == 5
    assert ROOF.share(1, 10) == 0.5


def test_intensity_is_flops_per_byte() -> None:
    assert intensity(72, 116) == pytest.approx(0.62069, abs=1e-5)
    with pytest.raises(BadInputError, match="0 bytes"):
        intensity(1, 0)


def test_a_roof_of_nothing_is_refused() -> None:
    with pytest.raises(BadInputError, match="above 0"):
        Roof(0, 20, "none")


@pytest.mark.parametrize(
    ("driver_name", "bandwidth"),
    [
        ("NVIDIA H100 80GB HBM3", 3_350),
        ("NVIDIA H100 PCIe", 2_000),
        ("NVIDIA L40S", 864),
        ("NVIDIA L4", 300),
        ("NVIDIA A100-SXM4-80GB", 2_039),
        ("NVIDIA A100-SXM4-40GB", 1_555),
        ("Tesla T4", 320),
    ],
)
def test_devices_are_found_by_their_drivers_name(driver_name: str, bandwidth: float) -> None:
    roof = known_roof(driver_name)
    assert roof is not None
    assert (roof.bandwidth_gb_s, roof.name) == (bandwidth, driver_name)


def test_no_listed_name_hides_a_longer_one() -> None:
    names = [roof.name for roof in KNOWN_ROOFS]
    for place, name in enumerate(names):
        assert not any(name in later for later in names[place + 1 :]), name


@pytest.mark.parametrize(
    ("recorded_on", "bandwidth"), [("NVIDIA H100 80GB HBM3", 3_350), ("NVIDIA H200", 4_800), ("", 3_350)]
)
def test_without_a_gpu_the_roof_is_that_of_the_recorded_times(
    monkeypatch: pytest.MonkeyPatch, recorded_on: str, bandwidth: float
) -> None:
    monkeypatch.setattr(roofline, "recorded_on", lambda: recorded_on)
    assert roof_for("").bandwidth_gb_s == bandwidth
    assert roof_for("").name == (recorded_on or STAND_IN.name)


@pytest.mark.parametrize(
    ("driver", "expected"),
    [
        (SimpleNamespace(gpu="Tesla T4", peak_gflops=8_000.0, bandwidth_gb_s=310.0), (8_000, 310, "Tesla T4")),
        (SimpleNamespace(gpu="Tesla T4", peak_gflops=None, bandwidth_gb_s=None), (8_100, 320, "Tesla T4")),
        (SimpleNamespace(gpu=None, peak_gflops=None, bandwidth_gb_s=None), (8_100, 320, "Tesla T4")),
    ],
)
def test_the_drivers_figures_come_before_published_ones(
    monkeypatch: pytest.MonkeyPatch, driver: SimpleNamespace, expected: tuple[float, float, str]
) -> None:
    _put_devices(monkeypatch, driver)
    roof = roof_for("Tesla T4")
    assert (roof.peak_gflops, roof.bandwidth_gb_s, roof.name) == expected


def test_an_unknown_device_gets_a_stand_in_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    _put_devices(monkeypatch, SimpleNamespace(gpu="Unheard-of 1", peak_gflops=None, bandwidth_gb_s=None))
    assert roof_for("Unheard-of 1").name == "NVIDIA H100 (no figures for Unheard-of 1 here)"


def _put_devices(monkeypatch: pytest.MonkeyPatch, header: SimpleNamespace) -> None:
    module = ModuleType("gpulabs.devices")
    vars(module)["header"] = lambda: header
    monkeypatch.setitem(sys.modules, "gpulabs.devices", module)
