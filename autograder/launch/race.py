"""The race: a submission's plan against one rung of the ladder, or two, round by round in one process.

Before every timed run all outputs and temporaries of all contenders are poisoned (no right answer
is left in memory to be copied), constants are restored, and L2 is flushed by a memset of at least
twice its size. The memset also keeps the GPU busy while the launches are queued, so that the host's
latency is not measured. Inputs and weights rotate over sets at different addresses, and each pair gets
inputs of its own: the judged ones with signs drawn afresh. So no answer of an earlier run is right again,
wherever a kernel may have kept it; what the rung makes of the same inputs is what every timed output must
be. Inputs are uploaded before each run, so that neither contender meets what the other left of them.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from autograder.curve import Standing, Steps, decide_curve
from autograder.decision import LOOKS, Verdict, decide
from autograder.evidence import ArraySpec, Plan, Race
from autograder.launch.arena import Arena
from autograder.launch.gpu import Gpu, GpuFault
from autograder.launch.runner import Array, KernelFault, Loaded, Prepared, explain, launch_all, prepare

SETS = 3
WARM_UPS = 2
PEER_RUNS = 15
SMALLEST_FLUSH_BYTES = 64 << 20
"""Where L2 is small a flush of twice its size is over before the launches are queued."""

TOLERANCE = 1e-4
"""Of the largest output, where outputs may differ at all: what cuDNN itself is compared within."""

SPREAD, MOST = 3.0, 0.05
"""The largest error over a million outputs hardly varies from draw to draw; three times it is another kernel's."""


@dataclass(frozen=True)
class Contender:
    """A plan that runs in the race, with its kernels loaded."""

    name: str
    plan: Plan
    kernels: Mapping[str, Loaded]


class Track:
    """All contenders' arrays in one arena, and timed runs over them."""

    def __init__(self, gpu: Gpu, contenders: Sequence[Contender], x: Array, w: Array) -> None:
        """Places and uploads the sets of inputs; packs every launch.

        Raises:
            GpuFault: There is not enough memory.
        """
        self.gpu, self.inputs = gpu, (x, w)
        specs: list[ArraySpec] = list(contenders[0].plan.arrays[:2]) * SETS
        self._own: dict[str, dict[int, int]] = {}
        for each in contenders:
            own = [i for i, spec in enumerate(each.plan.arrays) if i >= 2 and spec.view_of is None]
            self._own[each.name] = {i: len(specs) + position for position, i in enumerate(own)}
            specs += [each.plan.arrays[i] for i in own]
        self._arena = Arena(gpu, specs)
        self._constants: dict[str, list[tuple[int, ArraySpec]]] = {}
        self._results: dict[str, int] = {}
        self._launches: dict[tuple[str, int], tuple[Prepared, ...]] = {}
        for s in range(SETS):
            self._arena.upload(2 * s, np.roll(x, s, axis=0))
            self._arena.upload(2 * s + 1, np.roll(w, s, axis=-1))
        for each in contenders:
            arrays, own_place = each.plan.arrays, self._own[each.name]
            self._constants[each.name] = [
                (own_place[i], spec) for i, spec in enumerate(arrays) if spec.role == "constant"
            ]
            self._results[each.name] = own_place[_origin(arrays, each.plan.result or 0)]
            for s in range(SETS):
                place = own_place | {0: 2 * s, 1: 2 * s + 1}
                addresses = [self._arena.address(place[_origin(arrays, i)]) for i in range(len(arrays))]
                self._launches[each.name, s] = prepare(each.plan, each.kernels, addresses)
        self._case = contenders[0].plan.case
        self._flush_words = max(2 * gpu.l2_bytes, SMALLEST_FLUSH_BYTES) // 4
        self._flush = gpu.allocate(self._flush_words * 4)

    def run(self, name: str, which: int, inputs: tuple[Array, Array] | None = None) -> float:
        """One timed run of a contender on a set, with its own inputs or the ones given now.

        Returns:
            Milliseconds from its first launch to its last end.
        """
        for role, values in enumerate(inputs or ()):
            self._arena.upload(2 * which + role, values)
        for own in self._own.values():
            for index in own.values():
                self._arena.poison(index)
        for index, spec in self._constants[name]:
            self._arena.set_constant(index, spec)
        launches = self._launches[name, which]
        for _ in range(1 + len(launches) // 2):  # the more launches, the longer queueing them takes
            self.gpu.fill(self._flush, which + 1, self._flush_words)
        try:
            start = self.gpu.mark()
            launch_all(self.gpu, launches, self._case)
            return self.gpu.elapsed_ms(start, self.gpu.mark())
        except GpuFault as error:
            raise KernelFault(explain(error, launches[0].kernel.kernel, self._case), error.sticky, name) from error
        except KernelFault as error:
            raise KernelFault(error.fault, error.sticky, name) from error

    def output(self, name: str) -> Array:
        """What the contender's last run returned, in the shape of the array that was allocated."""
        return self._arena.download(self._results[name])

    def guards_intact(self) -> bool:
        """Whether nobody wrote between the arrays."""
        return self._arena.guards_intact()

    def close(self) -> None:
        """Frees the memory."""
        self._arena.close()
        self.gpu.free(self._flush)


def _origin(arrays: Sequence[ArraySpec], index: int) -> int:
    """The array that was allocated: itself, or what it is a view of."""
    view_of = arrays[index].view_of
    return index if view_of is None else view_of


def run_race(
    race: Race,
    threshold: float,
    track: Track,
    names: Sequence[str],
    judged: Array,
    seed: int,
    tick: Callable[[], None],
    trouble: Callable[[], tuple[str, ...]],
    curve: Steps = (),
) -> Race:
    """Measures rounds until `autograder.decision` or `autograder.curve` has its verdict, then the peers.

    Args:
        race: What is raced, with the upper rung's name if there is one; its pairs are ignored.
        threshold: The speedup asked for, where there is no upper rung.
        track: Where.
        names: Candidate, baseline, the upper rung if there is one, then peers.
        judged: The output that the judge has seen for the original inputs.
        seed: Of the order of runs and of inputs; drawn by the parent.
        tick: Called after each pair, so that the parent sees life.
        trouble: Asked after each look.
        curve: Steps of a race between two rungs.

    Returns:
        The race with pairs or rounds, wrong outputs, peers' medians and signs of trouble.
    """
    racers, peers = names[: 3 if race.high else 2], names[3 if race.high else 2 :]
    order, signs_of, wrong = random.Random(seed), np.random.default_rng(seed), 0
    rounds: list[tuple[float, ...]] = []
    signs, looks = set(race.trouble), [count for count, _ in LOOKS]
    for name in names:
        for run in range(WARM_UPS):
            track.run(name, run % SETS)
            tick()
    candidate, baseline = racers[:2]
    track.run(baseline, 0)
    tolerance = tolerated(judged, track.output(baseline).reshape(judged.shape))
    while len(rounds) < LOOKS[-1][0]:
        turns = order.sample(racers, len(racers))
        for one_way in (turns, turns[::-1]):  # ABBA: drift falls on all alike
            which = len(rounds) % SETS
            drawn = with_fresh_signs(track.inputs[0], signs_of), with_fresh_signs(track.inputs[1], signs_of)
            times: dict[str, float] = {}
            outputs: dict[str, Array] = {}
            for name in one_way:
                times[name] = track.run(name, which, drawn)
                if name in (candidate, baseline):
                    outputs[name] = track.output(name).reshape(judged.shape)
            wrong += not same(outputs[candidate], outputs[baseline], tolerance)
            rounds.append(tuple(times[name] for name in racers))
            tick()
        if looks and len(rounds) >= looks[0]:
            looks.pop(0)
            signs.update(trouble())
            if _settled(rounds, threshold, curve):
                break
    wrong += not track.guards_intact()
    medians = {name: statistics.median(times[1 + at] for times in rounds) for at, name in enumerate(racers[1:])}
    for name in peers:
        medians[name] = statistics.median(track.run(name, run % SETS) for run in range(PEER_RUNS))
        tick()
    return replace(
        race,
        pairs=tuple((times[0], times[1]) for times in rounds),
        rounds=tuple((times[0], times[1], times[2]) for times in rounds) if race.high else (),
        wrong_outputs=wrong,
        peers=race.peers | medians,
        trouble=tuple(sorted(signs)),
    )


def _settled(rounds: Sequence[tuple[float, ...]], threshold: float, curve: Steps) -> bool:
    if curve:
        three = [(mine, low, high) for mine, low, high in rounds]
        return decide_curve(three, curve).standing is not Standing.UNDECIDED
    return decide([(mine, theirs) for mine, theirs, *_ in rounds], threshold).verdict is not Verdict.UNDECIDED


def with_fresh_signs(values: Array, rng: np.random.Generator) -> Array:
    """The same magnitudes with signs drawn anew: other sums, exact where the first were, for little time."""
    bits = np.unpackbits(np.frombuffer(rng.bytes(-(-values.size // 8)), np.uint8), count=values.size)
    words = np.ascontiguousarray(values, np.float32).reshape(-1).view(np.uint32) ^ (bits.astype(np.uint32) << 31)
    return words.view(np.float32).reshape(values.shape)


def tolerated(judged: Array, baseline: Array) -> float:
    """How far timed outputs may be from the rung's, as a share of the largest.

    Not at all where the judged output is the rung's number for number. Where it is not (real numbers, Winograd,
    TF32), the judge says whether it may be; other inputs of the same magnitudes then differ by about as much.
    """
    if np.array_equal(judged, baseline):
        return 0.0
    with np.errstate(invalid="ignore"):
        apart = np.abs(judged - baseline)
        share = float(
            np.max(apart, initial=0.0, where=np.isfinite(apart)) / max(float(np.nanmax(np.abs(baseline))), 1e-30)
        )
    return min(max(TOLERANCE, SPREAD * share), MOST)


def same(got: Array, expected: Array, tolerance: float = TOLERANCE) -> bool:
    """Whether two outputs are the same: number for number, or within a share of the largest of them."""
    if np.array_equal(got, expected):
        return True
    if not tolerance or not np.array_equal(np.isfinite(got), np.isfinite(expected)):
        return False
    finite = np.isfinite(expected)
    scale = float(np.max(np.abs(expected[finite]), initial=0.0))
    return bool(np.all(np.abs(got[finite] - expected[finite]) <= tolerance * scale))
