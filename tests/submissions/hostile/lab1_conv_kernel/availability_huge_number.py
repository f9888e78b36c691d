# A whole number has a million digits, which take hours to print.
# attack: host memory
# defence: numbers are held to a length
# loses: everything
# says: bits

# %% task: launch_config
HUGE = 1 << 4_000_000


def launch_config(n, h_out, w_out, k):
    return (HUGE, 1, 1), (32, 8, 1)
