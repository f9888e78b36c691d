"""Stage 4: runs and times plans on the GPU, in a process that may die.

The parent (`measure`) never touches the GPU. It starts `python -m autograder.launch REQUEST.json`,
which holds trusted code and machine code only: no student's Python. An endless kernel dies with
the process that the parent kills; an illegal access ruins that process's context and no other.

    parent.py    starts, watches, restarts; composes the Measurement
    __main__.py  the child: one case after the other, then the race
    runner.py    one case: arena, launches, guards, poison
    race.py      pairs of timed runs until the decision is final
    arena.py     where arrays lie, between guard bands
    gpu.py       cuda.core and the driver, the only module that knows their versions
    request.py   what the parent asks, what the child answers
    trouble.py   signs that a timing can't be trusted
    profiled.py  one cuDNN plan alone, for a profiler
    survey.py    the ladder and cuDNN on one workload, for `autograder calibrate`: a program of its own
    cudnn.py     cuDNN's own time, when its Python front end is installed
"""

from autograder.launch.parent import RaceSpec, measure

__all__ = ["RaceSpec", "measure"]
