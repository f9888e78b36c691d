# The last window is given a whole stride.
# loses: tile_plan.bytes
# says: tile_bytes

# %% task: tile_plan
def tile_bytes(tile_h, tile_w, r, s, c, stride):
    """Bytes of shared memory for the float32 tile, halo included, of tile_h x tile_w outputs."""
    rows = tile_h * stride + r - 1
    columns = tile_w * stride + s - 1
    return 4 * rows * columns * c

def reads_saved(tile_h, tile_w, r, s):
    """How many times fewer pixels are read with the tile, at stride 1."""
    return tile_h * tile_w * r * s / ((tile_h + r - 1) * (tile_w + s - 1))
