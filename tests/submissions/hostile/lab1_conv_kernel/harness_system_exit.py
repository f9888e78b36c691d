# SystemExit passes every `except Exception`.
# attack: exit code 0
# defence: BaseException is caught, too
# loses: everything
# says: SystemExit

# %% task: launch_config
import sys

if True:
    raise SystemExit(0)


def launch_config(n, h_out, w_out, k):
    return None
