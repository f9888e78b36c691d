"""What the stages of grading hand to each other: plain frozen records, all JSON.

    submission -> plan -> resources -> measurement -> judgement -> score

Untrusted processes write these records as JSON; trusted code reads them back with
`decode`, which checks every type, so that a forged file is a fault and never a crash.
Arrays travel beside them as .npy files named by case.
"""

from autograder.evidence.asked import Case as Case
from autograder.evidence.asked import Fault as Fault
from autograder.evidence.asked import FaultKind as FaultKind
from autograder.evidence.compiled import Resources as Resources
from autograder.evidence.compiled import Structure as Structure
from autograder.evidence.measured import Coalescing as Coalescing
from autograder.evidence.measured import Measurement as Measurement
from autograder.evidence.measured import Outcome as Outcome
from autograder.evidence.measured import Race as Race
from autograder.evidence.planned import Argument as Argument
from autograder.evidence.planned import ArraySpec as ArraySpec
from autograder.evidence.planned import Function as Function
from autograder.evidence.planned import Kernel as Kernel
from autograder.evidence.planned import Launch as Launch
from autograder.evidence.planned import Plan as Plan
from autograder.evidence.planned import PlanSet as PlanSet
from autograder.evidence.trained import Run as Run
from autograder.evidence.trained import Trained as Trained
from autograder.evidence.trained import Training as Training
from autograder.records import decode as decode
from autograder.records import encode as encode
