# Processes are made until the system makes no more.
# attack: fork bombs
# defence: time limits, a limit on processes, and an end for all of them when the worker ends
# loses: everything
# says: did not end|gave no sign|endless|neither worked nor ended
# world: processes

# %% task: launch_config
import os
import time

MOST = 200  # enough to show it; a sandbox without a limit must not take the machine that tests it along

for _ in range(MOST):
    try:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
    except OSError:
        break
while True:
    time.sleep(1)


def launch_config(n, h_out, w_out, k):
    return None
