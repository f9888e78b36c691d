# Free memory is free memory, in whatever pieces.
# loses: allocator.advice
# says: too many pieces|pool can grow

# %% task: allocator
def fragmentation(free_blocks):
    return 1 - max(free_blocks) / sum(free_blocks)


def advice(request, reserved, in_use, largest_free, device_free):
    if request <= reserved - in_use:
        return "fits"
    if request <= device_free:
        return "grows"
    return "fragmented" if request <= reserved - in_use + device_free else "too large"
