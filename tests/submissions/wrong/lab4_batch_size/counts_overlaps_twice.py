# Two kernels at once count twice.
# loses: busy.union
# says: time in which any runs counts once|returned|utilisation

# %% task: busy
def utilisation(kernels, start, end):
    return sum(max(0, min(until, end) - max(begin, start)) for begin, until in kernels) / (end - start)


def busy_but_slow(batches, busy, images_per_s):
    place = next(place for place, share in enumerate(busy) if share >= 0.9)
    return batches[place], images_per_s[place] / max(images_per_s)
