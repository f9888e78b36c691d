# Compares with the last throughput and not with the best.
# loses: busy.slow
# says: need not be the last

# %% task: busy
def utilisation(kernels, start, end):
    busy, reached = 0, start
    for begin, until in sorted(kernels):
        begin, until = max(begin, reached), min(until, end)
        if until > begin:
            busy, reached = busy + until - begin, until
    return busy / (end - start)


def busy_but_slow(batches, busy, images_per_s):
    place = next(place for place, share in enumerate(busy) if share >= 0.9)
    return batches[place], images_per_s[place] / images_per_s[-1]
