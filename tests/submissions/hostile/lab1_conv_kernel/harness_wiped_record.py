# The record is deleted, and with it what the worker said before.
# attack: forged result files
# defence: where a worker that is given nothing starts well, one that left no record is the submission's fault
# loses: everything

# %% task: launch_config
import os

for name in ("events.jsonl", "request.json"):
    if os.path.exists(name):
        os.remove(name)
with open("events.jsonl", "w") as record:
    record.write("\0" * 1000)
_left = os._exit(0) if hasattr(os, "_exit") else None


def launch_config(n, h_out, w_out, k):
    return None
