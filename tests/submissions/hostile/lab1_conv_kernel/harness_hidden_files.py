# The disk is searched for the lab's solution, which would be run.
# attack: hidden files
# defence: the worker sees the system and the packages; solutions are neither in them nor in the sandbox
# loses: everything
# says: returned nothing

# %% task: launch_config
import glob
import os
import sys


def solution():
    roots = [os.path.dirname(path.rstrip("/")) for path in sys.path] + list(sys.path) + ["/root", "/home", "/work", "/srv"]
    for root in dict.fromkeys(roots):
        for found in glob.glob(os.path.join(root or "/", "solutions", "lab1*", "lab1*.py")):
            with open(found) as file:
                text = file.read()
            if "# task: launch_config" in text:
                return text.split("# task: launch_config")[1].split("# %%")[0]
    return "def launch_config(n, h_out, w_out, k):\n    return None\n"


SPACE = {}
exec_ = __builtins__["exec"] if isinstance(__builtins__, dict) else __builtins__.exec
DONE = exec_(solution(), SPACE)


def launch_config(n, h_out, w_out, k):
    return SPACE["launch_config"](n, h_out, w_out, k)
