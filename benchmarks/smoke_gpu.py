"""Shows in one run that the GPU path works: `PYTHONPATH=src:. python -m benchmarks.smoke_gpu`.

Prints the device, then for each step what it found: the ladder is right on three cases, an endless
kernel and an illegal access lose only their own case, naive races coalesced, cuDNN stands beside.
A step that fails prints its traceback and the next one runs; the exit status is the number of failures.
"""

from __future__ import annotations

import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from autograder import ladder
from autograder.assemble import assemble
from autograder.curve import decide_curve
from autograder.decision import decide
from autograder.evidence import Argument, Case, Kernel, Measurement, Plan, PlanSet
from autograder.launch import RaceSpec, measure
from gpulabs.convolution import conv2d
from gpulabs.devices import architecture, header

CASES = (
    Case("valid", "smoke", "exact", "f", (2, 9, 11, 4), (3, 3, 4, 5)),
    Case("same-stride2", "smoke", "exact", "f", (1, 7, 10, 3), (4, 3, 3, 33), 2, "same"),
    Case("speed", "smoke", "speed", "f", (64, 58, 58, 64), (3, 3, 64, 64)),
)

ENDLESS = """
.version 7.0
.target sm_75
.address_size 64
.visible .entry endless()
{
AGAIN:
    bar.sync 0;
    bra AGAIN;
}
"""

WILD = """
.version 7.0
.target sm_75
.address_size 64
.visible .entry wild()
{
    .reg .b64 %rd<2>;
    mov.u64 %rd1, 16;
    st.global.u32 [%rd1], 1;
    ret;
}
"""


# Writes the first output through the last word of 60,000 bytes of dynamic shared memory: more than is given unasked.
LARGE = """
.version 7.0
.target sm_75
.address_size 64
.extern .shared .align 4 .b8 memory[];
.visible .entry large(.param .u64 large_param_0)
{
    .reg .b64 %rd<3>;
    .reg .b32 %r<2>;
    ld.param.u64 %rd1, [large_param_0];
    cvta.to.global.u64 %rd2, %rd1;
    st.shared.u32 [memory+59996], 0;
    ld.shared.u32 %r1, [memory+59996];
    ret;
}
"""


def draw(case: Case, folder: Path) -> np.ndarray:
    """Writes a case's integer inputs; returns the exact output."""
    random = np.random.default_rng(7)
    x = random.integers(-15, 16, case.x_shape).astype(np.float32)
    w = random.integers(-3, 4, case.w_shape).astype(np.float32)
    np.save(folder / f"{case.id}.x.npy", x)
    np.save(folder / f"{case.id}.w.npy", w)
    return conv2d(x, w, case.stride, case.padding)


def plan_set(rung: str) -> PlanSet:
    """All cases, with a rung in the place of a submission."""
    planned = [ladder.plan_for(ladder.rung(rung), case) for case in CASES]
    return PlanSet("smoke", planned[0][1], tuple(plan for plan, _ in planned), compiled=True)


def check_ladder(folder: Path, expected: dict[str, np.ndarray], rung: str, race: RaceSpec | None = None) -> Measurement:
    """Measures a rung on all cases and compares its outputs."""
    plans = plan_set(rung)
    kernels = {
        key: each for name in ladder.NAMES for key, each in ladder.plan_for(ladder.rung(name), CASES[0])[1].items()
    }
    assembled = assemble(kernels, architecture())
    print("  ", *(found for _, found in assembled.cubins.values()), sep="\n   ")
    code = assembled.code()
    start = time.monotonic()
    measured = measure(plans, code, CASES, folder, folder / rung, race=race, ladder_cubins=code, timeout_s=30.0)
    print(f"   measured in {time.monotonic() - start:.1f} s")
    for outcome in measured.outcomes:
        print("  ", outcome)
        y = np.load(folder / rung / f"{outcome.case}.npy")
        worst = np.max(np.abs(y - expected[outcome.case]))
        print(f"   {outcome.case}: worst error {worst}")
        if outcome.fault or worst or outcome.unwritten or not (outcome.guards_intact and outcome.inputs_intact):
            raise AssertionError(f"{rung}: {outcome}")
    if len(measured.outcomes) != len(CASES):
        raise AssertionError(f"{rung}: {len(measured.outcomes)} outcomes of {len(CASES)}")
    return measured


def check_race(folder: Path, expected: dict[str, np.ndarray]) -> None:
    """Races coalesced against naive, and naive against itself, with cuDNN beside them."""
    flops = 2.0 * 64 * 56 * 56 * 64 * 3 * 3 * 64
    for rung, threshold in (("coalesced", 1.5), ("naive", 1.0)):
        race = RaceSpec("speed", "naive", threshold, "64x58x58x64 * 3x3x64->64", flops, 0.0, ("coalesced",))
        (found,) = check_ladder(folder, expected, rung, race).races
        decision = decide(found.pairs, threshold, final=True)
        print(f"   {rung} against naive: {decision}")
        print(f"   pairs {len(found.pairs)}, first {found.pairs[:3]}, wrong {found.wrong_outputs}, {found.trouble}")
        for name, time_ms in found.peers.items():
            print(f"   {name}: {time_ms:.3f} ms, {flops / time_ms / 1e9:.2f} TFLOP/s")
        if found.wrong_outputs or not decision.earns:
            raise AssertionError(f"{rung}: {decision}, {found.wrong_outputs} wrong outputs")
        print("   log:", (folder / rung / "launch.log").read_text()[-500:])


def check_faults(folder: Path) -> None:
    """An endless kernel and an illegal access each lose their own case, the others go on."""
    plans = plan_set("naive")
    bad = {"endless": Kernel("endless", "endless", ENDLESS), "wild": Kernel("wild", "wild", WILD)}
    launch = replace(plans.plans[0].launches[0], grid=(1, 1, 1), block=(32, 1, 1), arguments=())
    broken = [replace(plans.plans[0], case=name, launches=(replace(launch, kernel=name),)) for name in bad]
    kernels = plans.kernels | bad
    code = assemble({"ladder:naive": plans.kernels["ladder:naive"], **bad}, architecture()).code()
    cases = [CASES[0], replace(CASES[0], id="wild"), CASES[1], replace(CASES[0], id="endless")]
    for name in bad:
        draw(replace(CASES[0], id=name), folder)
    endless, wild = broken
    ordered: list[Plan] = [plans.plans[0], wild, plans.plans[1], endless]
    everything = replace(plans, kernels=kernels, plans=tuple(ordered))
    measured = measure(everything, code, cases, folder, folder / "faults", timeout_s=5.0)
    faults = {outcome.case: outcome.fault for outcome in measured.outcomes}
    for case, fault in faults.items():
        print("  ", case, fault)
    kinds = {case: fault and fault.kind.name for case, fault in faults.items()}
    if kinds != {"valid": None, "wild": "OUT_OF_BOUNDS", "same-stride2": None, "endless": "KERNEL_TIMEOUT"}:
        raise AssertionError(str(kinds))


def check_large_shared_memory(folder: Path) -> None:
    """A launch with more than 48 KB of dynamic shared memory, which has to be asked for."""
    plans = plan_set("naive")
    kernel = Kernel("large", "large", LARGE)
    argument = Argument(None, 0, "uint64")
    launch = replace(
        plans.plans[0].launches[0], kernel="large", grid=(1, 1, 1), block=(1, 1, 1), shared_bytes=60_000,
        arguments=(argument,),
    )  # fmt: skip
    both = replace(plans.plans[0], launches=(launch, *plans.plans[0].launches))
    kernels = plans.kernels | {"large": kernel}
    everything = replace(plans, kernels=kernels, plans=(both,))
    code = assemble(kernels, architecture()).code()
    (outcome,) = measure(everything, code, CASES[:1], folder, folder / "large", timeout_s=5.0).outcomes
    print("  ", outcome)
    if outcome.fault:
        raise AssertionError(str(outcome))


def check_curve(folder: Path, expected: dict[str, np.ndarray]) -> None:
    """Races the coalesced rung between naive and itself: it stands at the upper end."""
    steps = ((0.25, 1.0), (0.5, 2.0), (0.75, 3.0), (0.95, 4.0))
    flops = 2.0 * 64 * 56 * 56 * 64 * 3 * 3 * 64
    race = RaceSpec("speed", "naive", 0.0, "64x58x58x64 * 3x3x64->64", flops, 0.0, (), True, "coalesced", steps)
    (found,) = check_ladder(folder, expected, "coalesced", race).races
    decision = decide_curve(found.rounds, steps, final=True)
    print(f"   {decision}, wrong {found.wrong_outputs}, {found.trouble}, {found.peers}")
    if found.wrong_outputs or decision.points != 4:
        raise AssertionError(str(decision))


def main() -> int:
    """Runs every step; returns the number of failures."""
    print(header())
    failures = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        expected = {case.id: draw(case, folder) for case in CASES}
        steps: dict[str, Callable[[], object]] = {
            "naive is right": lambda: check_ladder(folder, expected, "naive"),
            "coalesced is right": lambda: check_ladder(folder, expected, "coalesced"),
            "faults lose one case": lambda: check_faults(folder),
            "large shared memory": lambda: check_large_shared_memory(folder),
            "races": lambda: check_race(folder, expected),
            "a race between two rungs": lambda: check_curve(folder, expected),
        }
        for title, step in steps.items():
            print(f"\n== {title}", flush=True)
            try:
                step()
                print("   ok")
            except Exception:
                failures += 1
                traceback.print_exc(file=sys.stdout)
                for log in folder.glob("*/launch.log"):
                    print(f"   {log}:", log.read_text()[-2000:])
    print(f"\n{failures} steps failed")
    return failures


if __name__ == "__main__":
    sys.exit(main())
