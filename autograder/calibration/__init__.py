"""What a GPU does when nothing disturbs it, and what follows from that for a race.

    record.py    the calibration: records, its file, whether it still fits this machine
    summary.py   launches of a survey -> medians, spreads, noise of paired ratios: pure
    survey.py    runs the ladder and cuDNN on the labs' workloads, in several launches
    show.py      the command
    trust.py     is a race to be trusted? is it run again? pure
    review.py    can this GPU tell two rungs apart? too fast to be true? pure

Without a calibration everything works and says *not calibrated*: the ladder's times of the race's own
run take its place where they can.
"""

from autograder.calibration.record import Calibration, current

__all__ = ["Calibration", "current"]
