# A lock that nobody gives back: nothing computes, so that no limit of processor time is ever reached.
# attack: endless loops on the host
# defence: time in which nothing of a worker wants to compute counts as its own, as computing does
# loses: everything
# says: neither worked nor ended

# %% task: launch_config
import threading

LOCK = threading.Lock()


def launch_config(n, h_out, w_out, k):
    LOCK.acquire()
    LOCK.acquire()
    return 128, 1
