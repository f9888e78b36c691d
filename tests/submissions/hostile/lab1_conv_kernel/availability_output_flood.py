# Output is printed without end, on both streams.
# attack: output floods
# defence: a limit on any file's size, a time limit, and only the end is read
# loses: everything

# %% task: launch_config
import os

LINE = b"flood " * 10_000
while True:
    os.write(1, LINE)
    os.write(2, LINE)


def launch_config(n, h_out, w_out, k):
    return None
