# Blocks of 60 threads: the last warp has idle lanes.
# loses: launch_config.warps
# says: 32|warp

# %% task: launch_config
def launch_config(n, h_out, w_out, k):
    bx = min(k, 4)
    by = min(w_out, 5)
    return ((k + bx - 1) // bx, (w_out + by - 1) // by, (n * h_out + 2) // 3), (bx, by, 3)
