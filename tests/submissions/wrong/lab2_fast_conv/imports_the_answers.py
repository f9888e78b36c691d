# Takes the answers from the package that draws the pictures, and from the grader.
# loses: bank_conflicts.passes occupancy.warps tile_plan.bytes tile_plan.reads
# says: gpulabs.access.bank_passes is not there while your work is graded

# %% task: tile_plan
def tile_bytes(tile_h, tile_w, r, s, c, stride):
    import autograder.questions.lab2

    return autograder.questions.lab2.tile_bytes(tile_h, tile_w, r, s, c, stride)

from autograder.questions.lab2 import reads_saved as answer

def reads_saved(tile_h, tile_w, r, s):
    return answer(tile_h, tile_w, r, s)

# %% task: bank_conflicts
from gpulabs.access import bank_passes

def bank_conflicts(words):
    """Passes that one access of a warp takes; words holds the 32 threads' word indices."""
    return bank_passes(words)

# %% task: occupancy
import importlib

def occupancy(threads, registers, shared_bytes, limits):
    """Share (0 to 1) of a multiprocessor's warps; threads and shared_bytes a block, registers a thread."""
    return importlib.import_module("gpulabs.occupancy").occupancy(threads, registers, shared_bytes, limits)
