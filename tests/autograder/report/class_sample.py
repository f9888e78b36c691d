"""A made-up class of any size: good, middling, lost and hostile students; on a GPU or without."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from autograder.result import ItemScore, Result, Status
from tests.autograder.samples import ITEMS, result

ATTACK = "<script>console.error('ran')</script><img src=x onerror=console.error(1)>'\"`{{ 7*7 }}" + "w" * 300 + "\u202e"
FAULTS = (
    ("conv_first", "wrong halo", "{} of 960 outputs differ, at the border.", "A tap outside the image counts as zero."),
    ("conv_first", "flipped filter", "{} of 960 outputs differ.", "A convolution layer turns no filter around."),
    ("conv_strided", "stride", "{} of 240 outputs differ; stride 1 is right.", "Where does output row 1 start?"),
    ("launch_config", "uncovered", "{} outputs have no thread.", "Round the number of blocks up."),
    ("roofline", "", "Got {}, expected 9216.", "A multiply-add is two operations."),
)
RUNGS = {"naive": 450.0, "coalesced": 1100.0, "cudnn": 9000.0}
"""In GFLOP/s."""
GPU: dict[str, Any] = {"gpu": "NVIDIA H200", "driver": "580.65", "where": "gpu", "cpu_cores": 16}
NAMES = ("ada", "grace", "barbara", "frances", "hedy", "katherine", "margaret", "radia", "shafi", "sophie")


def class_of(students: int, gpu: bool = True, seed: int = 7) -> list[Result]:
    """Returns a class; the same for the same arguments."""
    random_ = random.Random(seed)
    return [_student(f"{NAMES[n % len(NAMES)]}_{10_000 + n}", random_, gpu) for n in range(students)]


def hostile(student: str = ATTACK) -> Result:
    """A student all of whose texts attack the page."""
    items = tuple(
        replace(item, title=ATTACK, reason=ATTACK, hint=ATTACK, fault=ATTACK, evidence={ATTACK: ATTACK, "flag": ATTACK})
        for item in result(statuses={task: Status.LOST for task, *_ in ITEMS}).items
    )
    device = {"gpu": ATTACK, "calibration": ATTACK}
    notes = (f"For a person to look at: {ATTACK}",)
    return replace(result(student), items=items, notes=notes, device=device, isolation=ATTACK)


def _student(name: str, random_: random.Random, gpu: bool) -> Result:
    able = random_.betavariate(5, 1.6)
    made = result(name, device=GPU if gpu else {"gpu": None, "where": "simulator"}, notes=())
    items = tuple(_item(item, random_, able, gpu) for item in made.items)
    if random_.random() < 0.01:
        why = "The grader failed, your points are withheld, not lost: the oracle did not answer."
        items = tuple(replace(item, status=Status.WITHHELD, points=0.0, reason=why, hint="") for item in items)
    return replace(made, items=items)


def _item(item: ItemScore, random_: random.Random, able: float, gpu: bool) -> ItemScore:
    if item.item == "speed":
        return _raced(item, random_, able) if gpu else item
    if item.item == "cpu" and not gpu:
        return item
    if random_.random() < able:
        return replace(item, status=Status.EARNED, points=item.max_points, reason="All cases agree.")
    at_hand = [fault for fault in FAULTS if fault[0] == item.task]
    if not at_hand:
        return replace(item, status=Status.LOST, points=0.0, reason="It does not compile.", fault="does not compile")
    _, fault, reason, hint = random_.choice(at_hand)
    reason = reason.format(random_.randrange(1, 960))
    return replace(item, status=Status.LOST, points=0.0, reason=reason, fault=fault, hint=hint, evidence={})


def _raced(item: ItemScore, random_: random.Random, able: float) -> ItemScore:
    speed = 300 * 20 ** (able * random_.uniform(0.4, 1.0))
    flops = 3.7e9
    numbers = {"time_ms": flops / speed / 1e6, "gflop_s": speed}
    numbers |= {
        f"{name}_ms": flops / rate / 1e6 for name, rate in (("naive", 450), ("coalesced", 1100), ("cudnn", 9000))
    }
    if speed > 5_000:
        numbers |= {"flag": "took 0.4 ms where a direct float32 convolution needs at least 0.5 ms on this GPU"}
    earned = speed > 450
    status = Status.EARNED if earned else Status.LOST
    said = "1.2 times as fast as naive." if earned else "Only 0.8 times as fast as naive."
    points = item.max_points if earned else 0.0
    return replace(item, status=status, points=points, reason=said, evidence=numbers, hint="")
