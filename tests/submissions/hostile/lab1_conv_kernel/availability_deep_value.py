# A value nests deeper than any reader goes.
# attack: host memory
# defence: values are held to a depth and a count
# loses: everything
# says: nested

# %% task: launch_config
def deep():
    value = []
    for _ in range(100_000):
        value = [value]
    return value


def launch_config(n, h_out, w_out, k):
    return deep()
