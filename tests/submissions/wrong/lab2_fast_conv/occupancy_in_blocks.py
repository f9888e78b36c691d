# Divides blocks by the most blocks in place of warps by the most warps.
# loses: occupancy.warps
# says: occupancy

# %% task: occupancy
def occupancy(threads, registers, shared_bytes, limits):
    """Share (0 to 1) of a multiprocessor's warps; threads and shared_bytes a block, registers a thread."""
    def round_up(number, unit):
        return -(-number // unit) * unit

    warps = round_up(threads, 32) // 32
    blocks = min(limits["blocks_per_sm"], limits["warps_per_sm"] // warps, limits["threads_per_sm"] // (32 * warps))
    if registers:
        of_block = warps * round_up(32 * registers, limits["register_unit"])
        blocks = min(blocks, limits["registers_per_sm"] // of_block)
    if shared_bytes:
        blocks = min(blocks, limits["shared_bytes_per_sm"] // round_up(shared_bytes, limits["shared_unit"]))
    return blocks / limits["blocks_per_sm"]
