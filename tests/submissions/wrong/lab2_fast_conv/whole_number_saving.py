# Rounds the saving down.
# loses: tile_plan.reads
# says: reads_saved

# %% task: tile_plan
def tile_bytes(tile_h, tile_w, r, s, c, stride):
    """Bytes of shared memory for the float32 tile, halo included, of tile_h x tile_w outputs."""
    rows = (tile_h - 1) * stride + r
    columns = (tile_w - 1) * stride + s
    return 4 * rows * columns * c

def reads_saved(tile_h, tile_w, r, s):
    """How many times fewer pixels are read with the tile, at stride 1."""
    return tile_h * tile_w * r * s // ((tile_h + r - 1) * (tile_w + s - 1))
