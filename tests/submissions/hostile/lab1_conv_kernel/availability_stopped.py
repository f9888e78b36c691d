# The process stops itself, and with it every alarm.
# attack: endless loops on the host
# defence: silence ends what ignores signals
# loses: everything
# says: no sign|did not end|neither worked nor ended

# %% task: launch_config
import os
import signal

STOPPED = os.kill(os.getpid(), signal.SIGSTOP)


def launch_config(n, h_out, w_out, k):
    return None
