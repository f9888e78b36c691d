# Bisection and quantiles of the standard library.

# %% task: time_steps
import itertools


def time_steps(step, synchronize, clock):
    def run(steps):
        for _ in itertools.repeat(None, steps):
            step()
        synchronize()

    run(15)
    start = clock()
    run(5)
    steps = int(0.02 / ((clock() - start) / 5)) + 1
    marks = [clock()]
    for _ in range(35):                              # each sample ends where the next begins
        run(steps)
        marks.append(clock())
    return [1000 * (after - before) / steps for before, after in itertools.pairwise(marks)]

# %% task: choose_batch
import bisect
from gpulabs.errors import OutOfMemory


def choose_batch(batches, measure, share):
    fitting, known = list(batches), {}

    def rate(batch):
        if batch not in known:
            known[batch] = measure(batch)
        return known[batch]

    while True:
        try:
            best = rate(fitting[-1])
            break
        except OutOfMemory:
            fitting.pop()
    place = bisect.bisect_left(fitting, True, key=lambda batch: rate(batch) >= share * best)
    return fitting[place]

# %% task: busy
def utilisation(kernels, start, end):
    events = sorted([(begin, 1) for begin, _ in kernels] + [(until, -1) for _, until in kernels])
    running, last, total = 0, start, 0.0
    for at, change in events:
        at_inside = min(max(at, start), end)
        if running > 0:
            total += at_inside - last
        last, running = at_inside, running + change
    return total / (end - start)


def busy_but_slow(batches, busy, images_per_s):
    for batch, share, rate in zip(batches, busy, images_per_s):
        if share >= 0.9:
            return batch, rate / max(images_per_s)
