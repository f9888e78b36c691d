# Rounds the number of blocks down.
# loses: launch_config.covers

# %% task: launch_config
def launch_config(n, h_out, w_out, k):
    bx = 32 if k >= 32 else 8
    by = 256 // bx if w_out >= 256 // bx else 8
    return (max(1, k // bx), max(1, w_out // by), n * h_out), (bx, by, 1)
