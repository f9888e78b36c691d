"""nbgrader's settings for a course of GPU labs; `autograder course` copies this file into the course folder."""

from nbconvert.preprocessors import ClearMetadataPreprocessor
from nbgrader import preprocessors as steps

from autograder.build.notebook import STUB
from autograder.nbgrader import GradeSubmission, RestoreCells, SubmissionExporter

c = get_config()  # noqa: F821  (nbgrader defines it)

# Release. Only notebooks leave source/: nbgrader would copy any other file, a jupytext source with its
# solution too, and would lay it over a student's file of the same name when grading.
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", ".pytest_cache", "*.py", "*.md"]
c.ClearSolutions.code_stub = {"python": STUB}  # the same stub that `autograder build` leaves

# Grading. nbgrader's own execution would run student code beside the gradebook and the solutions.
c.Autograde.exporter_class = SubmissionExporter
c.Autograde.sanitize_preprocessors = [
    steps.ClearOutput,
    RestoreCells,
    steps.DeduplicateIds,
    steps.OverwriteKernelspec,
    steps.OverwriteCells,
    steps.CheckCellMetadata,
]
c.Autograde.autograde_preprocessors = [
    GradeSubmission,
    steps.IgnorePattern,
    ClearMetadataPreprocessor,
    steps.LimitOutput,
    steps.SaveAutoGrades,
    steps.AssignLatePenalties,
    steps.CheckCellMetadata,
]
c.OverwriteCells.add_missing_cells = True

# `nbgrader validate` still executes the notebook; a check takes longer than its 30 s.
c.ExecutePreprocessor.timeout = 600
