"""What answers the calls of student functions that are given callables: `rig` says what a rig is, `desk` serves it."""

from autograder.rigs.desk import Desk, Place, Turn
from autograder.rigs.measuring import BatchRig, DeviceRig
from autograder.rigs.memory import MemoryRig, PeakRig
from autograder.rigs.rig import MAX_CALLS, Call, Log, Rig, Setting

__all__ = [
    "MAX_CALLS",
    "BatchRig",
    "Call",
    "Desk",
    "DeviceRig",
    "Log",
    "MemoryRig",
    "PeakRig",
    "Place",
    "Rig",
    "Setting",
    "Turn",
]
