# Always 256 threads along the channels, however few there are.
# loses: launch_config.tight

# %% task: launch_config
def launch_config(n, h_out, w_out, k):
    return ((k + 255) // 256, (w_out + 3) // 4, n * h_out), (256, 4, 1)
