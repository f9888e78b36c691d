"""From `solutions/`, the one source of each lab, to `labs/`, what students get."""

from autograder.build.notebook import build_lab, check_lab, release_notebook, solution_notebook

__all__ = ["build_lab", "check_lab", "release_notebook", "solution_notebook"]
