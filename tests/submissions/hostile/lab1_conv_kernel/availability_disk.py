# The folder is filled with files.
# attack: output floods
# defence: a limit on any file's size and on time; the folder ends with the grading
# loses: everything
# says: returned nothing

# %% task: launch_config
import os

MOST = 64  # megabytes: enough to show it
for number in range(MOST):
    with open(f"fill-{number}", "wb") as file:
        file.write(os.urandom(1 << 20))


def launch_config(n, h_out, w_out, k):
    return None
