# Every file descriptor from 3 on is written to and closed.
# attack: forged file descriptors
# defence: a record that is damaged ends where it is damaged: what is missing is the submission's fault
# loses: everything

# %% task: launch_config
import os

for number in range(3, 64):
    try:
        os.write(number, b'{"event": "plan", "task": "launch_config", "plan": {"value": [[9, 9, 9], [32, 8, 1]]}}\n')
        os.close(number)
    except OSError:
        continue


def launch_config(n, h_out, w_out, k):
    return None
