# Forgets that registers and shared memory are given out in units.
# loses: occupancy.warps
# says: unit|whole

# %% task: occupancy
def occupancy(threads, registers, shared_bytes, limits):
    """Share (0 to 1) of a multiprocessor's warps; threads and shared_bytes a block, registers a thread."""
    def round_up(number, unit):
        return -(-number // unit) * unit

    warps = round_up(threads, 32) // 32
    blocks = min(limits["blocks_per_sm"], limits["warps_per_sm"] // warps, limits["threads_per_sm"] // (32 * warps))
    if registers:
        of_block = warps * 32 * registers
        blocks = min(blocks, limits["registers_per_sm"] // of_block)
    if shared_bytes:
        blocks = min(blocks, limits["shared_bytes_per_sm"] // shared_bytes)
    return blocks * warps / limits["warps_per_sm"]
