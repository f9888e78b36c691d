# The choice by recursion, the sweep from the smallest batch on.

# %% task: sweep
from statistics import median
from gpulabs.errors import OutOfMemory


def sweep(batches, measure):
    rates = {}
    for batch in sorted(batches):
        try:
            rates[batch] = batch / median(measure(batch)) * 1000
        except OutOfMemory:
            break
    return [[batch, rate] for batch, rate in rates.items()]

# %% task: choose_batch
from gpulabs.errors import OutOfMemory


def choose_batch(batches, measure, share):
    def largest(left):
        try:
            return left, measure(left[-1])
        except OutOfMemory:
            return largest(left[:-1])

    def smallest(left, wanted):
        if len(left) == 1:
            return left[0]
        middle = len(left) // 2 - 1
        fast = measure(left[middle]) >= wanted
        return smallest(left[: middle + 1] if fast else left[middle + 1 :], wanted)

    fitting, best = largest(list(batches))
    return smallest(fitting, share * best)
