# The search calls itself; it starts with eight images.

# %% task: largest_batch
from contextlib import contextmanager

from gpulabs.errors import OutOfMemory


@contextmanager
def clean(release):
    try:
        yield
    finally:
        release()


def attempt_of(try_batch, release, batch):
    try:
        with clean(release):
            try_batch(batch)
    except OutOfMemory:
        return False
    return True


def between(low, high, fits):
    if high - low <= 1:
        return low
    middle = low + (high - low) // 2
    return between(middle, high, fits) if fits(middle) else between(low, middle, fits)


def largest_batch(try_batch, release):
    def fits(batch):
        return attempt_of(try_batch, release, batch)

    if not fits(1):
        return 0
    low = 1
    while fits(2 * low):
        low *= 2
    return between(low, 2 * low, fits)

# %% task: allocator
def fragmentation(free_blocks):
    *small, _ = sorted(free_blocks)
    return sum(small) / sum(free_blocks)


def advice(request, reserved, in_use, largest_free, device_free):
    limits = {"fits": largest_free, "grows": device_free, "fragmented": reserved - in_use + device_free}
    return next((name for name, limit in limits.items() if request <= limit), "too large")
