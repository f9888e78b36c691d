# Blocks by their number.
# loses: allocator.pieces
# says: by their size

# %% task: allocator
def fragmentation(free_blocks):
    return 1 - 1 / len(free_blocks)


def advice(request, reserved, in_use, largest_free, device_free):
    if request <= largest_free:
        return "fits"
    if request <= device_free:
        return "grows"
    return "fragmented" if request <= reserved - in_use + device_free else "too large"
