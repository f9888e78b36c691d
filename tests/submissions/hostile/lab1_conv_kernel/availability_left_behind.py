# A daemon in a session of its own waits for the grading to end, and for what comes next.
# attack: processes left behind
# defence: a process namespace of its own: its end is the end of all in it
# loses: everything
# says: returned nothing
# world: processes

# %% task: launch_config
import os
import subprocess
import sys

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", "import time  # hostile-survivor\ntime.sleep(40)"])
    os._exit(0)
STARTED = subprocess.Popen([sys.executable, "-c", "import time  # hostile-survivor\ntime.sleep(40)"], start_new_session=True)


def launch_config(n, h_out, w_out, k):
    return None
