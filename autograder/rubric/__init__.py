"""Reads `rubrics/*.toml` into frozen records: what each task is worth and what decides it.

Strict on purpose: an unknown key, a wrong type, points that aren't positive, an empty range or an
unknown kind raises a `RubricError` that names file and key, so that a slip of an author shows at
once and never as a student's lost point.
"""

from autograder.rubric.reading import MAX_INTEGER_TAPS as MAX_INTEGER_TAPS
from autograder.rubric.reading import MAX_W as MAX_W
from autograder.rubric.reading import MAX_X as MAX_X
from autograder.rubric.reading import labs as labs
from autograder.rubric.reading import load as load
from autograder.rubric.reading import parse as parse
from autograder.rubric.records import ARRAY_VALUES as ARRAY_VALUES
from autograder.rubric.records import DIMENSIONS as DIMENSIONS
from autograder.rubric.records import ITEM_KINDS as ITEM_KINDS
from autograder.rubric.records import LIMITS as LIMITS
from autograder.rubric.records import PADDINGS as PADDINGS
from autograder.rubric.records import TASK_KINDS as TASK_KINDS
from autograder.rubric.records import TIMED_KINDS as TIMED_KINDS
from autograder.rubric.records import TRAINED_KINDS as TRAINED_KINDS
from autograder.rubric.records import CaseSpec as CaseSpec
from autograder.rubric.records import Item as Item
from autograder.rubric.records import Rubric as Rubric
from autograder.rubric.records import Task as Task
from autograder.rubric.records import Workload as Workload
