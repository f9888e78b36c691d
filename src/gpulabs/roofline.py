"""The roofline model: what a device allows a kernel of a given intensity.

A kernel that does `intensity` floating-point operations for each byte it moves can't run
faster than its memory feeds it, nor faster than the cores compute: the lower of the two is
the roof.

Source: Williams, Waterman, Patterson, "Roofline: an insightful visual performance model",
CACM 52(4), 2009.
"""

from __future__ import annotations

from dataclasses import dataclass

from gpulabs.errors import BadInputError
from gpulabs.recordings import recorded_on


@dataclass(frozen=True)
class Roof:
    """One device's roof.

    Attributes:
        peak_gflops: Most fp32 operations a second, GFLOP/s; a multiply-add counts as two.
        bandwidth_gb_s: Most bytes a second between memory and chip, GB/s (10^9 bytes).
        name: The device, as plots and tables call it.
    """

    peak_gflops: float
    bandwidth_gb_s: float
    name: str

    def __post_init__(self) -> None:
        """Refuses a roof that no device can have."""
        if not (self.peak_gflops > 0 and self.bandwidth_gb_s > 0):
            raise BadInputError(
                f"Roof {self.name!r}: peak {self.peak_gflops} GFLOP/s and bandwidth {self.bandwidth_gb_s} GB/s "
                "must both be above 0"
            )

    @property
    def ridge(self) -> float:
        """Intensity, FLOP/byte, from which on the cores are the limit and no longer the memory."""
        return self.peak_gflops / self.bandwidth_gb_s

    def attainable(self, intensity: float) -> float:
        """GFLOP/s that a kernel of this intensity, FLOP/byte, can reach at most."""
        return min(self.peak_gflops, intensity * self.bandwidth_gb_s)

    def share(self, intensity: float, gflops: float) -> float:
        """Share of the attainable, 0 to 1, that a measured kernel reaches."""
        return gflops / self.attainable(intensity)


def intensity(flops: float, moved_bytes: float) -> float:
    """Arithmetic intensity in FLOP/byte.

    Raises:
        BadInputError: `moved_bytes` is not above 0.
    """
    if not moved_bytes > 0:
        raise BadInputError(f"intensity: {moved_bytes} bytes moved; every kernel moves some: count them first")
    return flops / moved_bytes


# Vendors' published figures, fp32 without tensor cores, at boost clock. The longer name stands
# first where one is part of another ("L40S" before "L4").
KNOWN_ROOFS = (
    Roof(67_000, 4_800, "NVIDIA H200"),
    Roof(51_200, 2_000, "NVIDIA H100 PCIe"),
    Roof(67_000, 3_350, "NVIDIA H100"),
    Roof(19_500, 2_039, "NVIDIA A100-SXM4-80GB"),
    Roof(19_500, 1_555, "NVIDIA A100"),
    Roof(91_600, 864, "NVIDIA L40S"),
    Roof(30_300, 300, "NVIDIA L4"),
    Roof(31_200, 600, "NVIDIA A10"),
    Roof(15_700, 900, "Tesla V100"),
    Roof(9_300, 732, "Tesla P100"),
    Roof(8_100, 320, "Tesla T4"),
    Roof(82_600, 1_008, "NVIDIA GeForce RTX 4090"),
    Roof(35_600, 936, "NVIDIA GeForce RTX 3090"),
)
STAND_IN = KNOWN_ROOFS[2]
"""For a device that is not listed, and where neither a GPU nor a record is."""

TENSOR_PEAKS_GFLOPS = {
    "NVIDIA H200": 494_700,
    "NVIDIA H100 PCIe": 378_000,
    "NVIDIA H100": 494_700,
    "NVIDIA A100": 156_000,
    "NVIDIA L40S": 183_000,
    "NVIDIA L4": 60_000,
    "NVIDIA A10": 62_500,
    "NVIDIA GeForce RTX 4090": 82_600,
    "NVIDIA GeForce RTX 3090": 35_600,
}
"""Vendors' published peaks of TF32 on tensor cores, without sparsity; on Hopper only `wgmma` reaches them."""
TENSOR_KERNELS = ("tensor_core", "cudnn_tf32", "torch_tf32")
"""Kernels of `gpulabs bench conv` that round their inputs to TF32: compared with cuDNN in TF32 and with that peak."""


def known_roof(device_name: str) -> Roof | None:
    """The published roof of a device, by the name that its driver gives; None if not listed."""
    for roof in KNOWN_ROOFS:
        if roof.name.lower() in device_name.lower():
            return Roof(roof.peak_gflops, roof.bandwidth_gb_s, device_name)
    return None


def tensor_peak_gflops(device_name: str) -> float | None:
    """The published TF32 peak of a device's tensor cores, GFLOP/s; None if it has none or is not listed."""
    for name, peak in TENSOR_PEAKS_GFLOPS.items():
        if name.lower() in device_name.lower():
            return float(peak)
    return None


def roof_for(device_name: str) -> Roof:
    """The roof to draw for a device: what its driver says, else the published one, else an H100's.

    Args:
        device_name: As the driver gives it; empty without a GPU: then the device of the recorded times is drawn.

    Returns:
        A roof whose name says so when it is another device's.
    """
    if not device_name:
        return known_roof(recorded_on()) or STAND_IN
    from gpulabs.devices import header

    device = header()
    if device.gpu == device_name and device.peak_gflops and device.bandwidth_gb_s:
        return Roof(device.peak_gflops, device.bandwidth_gb_s, device_name)
    stand_in = f"{STAND_IN.name} (no figures for {device_name} here)"
    return known_roof(device_name) or Roof(STAND_IN.peak_gflops, STAND_IN.bandwidth_gb_s, stand_in)
