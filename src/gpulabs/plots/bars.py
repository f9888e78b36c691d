"""Bars: what limits a kernel's occupancy, and how far each rung of the ladder gets."""

from __future__ import annotations

from collections.abc import Mapping

from gpulabs.access import WARP_SIZE
from gpulabs.errors import BadInputError
from gpulabs.occupancy import Limits, blocks_by_limit
from gpulabs.plots.picture import BLUE, FAINT, INK, MUTED, SKY, VERMILION, Picture, panels

_RESOURCES = ("threads", "blocks", "registers", "shared memory")


def occupancy_bars(kernels: Mapping[str, tuple[int, int, int]], limits: Limits, gpu: str) -> Picture:
    """Draws how many warps each resource of a multiprocessor would allow; the shortest bar decides.

    Args:
        kernels: Caption -> (threads a block, registers a thread, bytes of shared memory a block).
        limits: Of the GPU, one of `gpulabs.occupancy.LIMITS`.
        gpu: Its name.

    Returns:
        One panel a kernel.

    Raises:
        BadInputError: No kernels.
    """
    if not kernels:
        raise BadInputError("occupancy_bars: no kernels to draw")
    most, facts = limits["warps_per_sm"], []
    with panels(8.6, 1.35 * len(kernels) + 0.35, 1, len(kernels), sharex=True) as (figure, axes):
        for ax, (caption, (threads, registers, shared_bytes)) in zip(axes, kernels.items(), strict=True):
            warps = -(-threads // WARP_SIZE)
            allowed = {
                name: min(count * warps, most)
                for name, count in blocks_by_limit(threads, registers, shared_bytes, limits).items()
            }
            fits = min(allowed.values())
            ax.axvspan(0, fits, color="#EEF5FA", zorder=0)
            for place, name in enumerate(reversed(_RESOURCES)):
                value = allowed.get(name, most)
                ax.barh(place, value, height=0.62, color=VERMILION if value == fits < most else SKY)
                ax.text(value + most * 0.008, place, f"{value}", va="center", fontsize=8, color=INK)
            ax.set_yticks(range(len(_RESOURCES)), list(reversed(_RESOURCES)))
            fact = f"{fits} of {most} warps, {fits / most:.0%}"
            facts.append(f"{caption}: {fact}")
            ax.set_title(f"{caption} ({threads} threads, {registers} registers, {shared_bytes:,} B): {fact}")
            ax.set_xlim(0, most * 1.06)
            ax.tick_params(length=0)
            for side in ("top", "right", "left"):
                ax.spines[side].set_visible(False)
        axes[-1].set_xlabel(f"warps that the resource allows on one multiprocessor of {gpu}")
    return Picture(figure, "; ".join(facts))


def ladder_bars(gflops: Mapping[str, float], library: str = "cudnn", title: str = "The ladder") -> Picture:
    """Draws kernels as bars in TFLOP/s, each with its share of the library's speed.

    Args:
        gflops: Kernel -> GFLOP/s, from slow to fast; may hold the library itself.
        library: The kernel that shares refer to.
        title: Of the picture.

    Returns:
        The picture; without kernels an empty frame.
    """
    best = gflops.get(library)
    facts: list[str] = []
    with panels(8.2, 0.34 * max(len(gflops), 1) + 0.95) as (figure, (ax,)):
        names = [name for name in gflops if name != library] + ([library] if best else [])
        for place, name in enumerate(reversed(names)):  # the slowest on top
            tflops = gflops[name] / 1e3
            ax.barh(place, tflops, height=0.66, color=FAINT if name == library else BLUE)
            share = f", {gflops[name] / best:.1%} of {library}" if best and name != library else ""
            ax.text(tflops, place, f"  {tflops:.3g} TFLOP/s{share}", va="center", fontsize=8.5, color=INK)
            facts.insert(0, f"{name} {tflops:.3g} TFLOP/s{share}")
        ax.set_yticks(range(len(names)), list(reversed(names)))
        ax.set_xlim(0, max([*gflops.values(), 1.0]) / 1e3 * 1.45)
        if not names:
            ax.text(0.5, 0.5, "nothing measured yet", ha="center", va="center", color=MUTED, transform=ax.transAxes)
        ax.set_xlabel("TFLOP/s")
        ax.set_title(title)
        ax.tick_params(axis="y", length=0)
        for side in ("top", "right", "left"):
            ax.spines[side].set_visible(False)
    return Picture(figure, "; ".join(facts) or "nothing measured yet")
