# The grader's own files are opened for writing.
# attack: rewritten grader modules
# defence: packages are mounted read-only
# loses: everything
# says: returned nothing

# %% task: launch_config
import os
import sys

for path in sys.path:
    for name in ("judge.py", "questions/lab1.py", "score.py", "rubrics/lab1_conv_kernel.toml", "path.py"):
        full = os.path.join(path, "autograder", name)
        if os.path.exists(full):
            try:
                with open(full, "a") as file:
                    file.write("\n# hostile\n")
            except OSError:
                pass
            try:
                os.chmod(full, 0o777)
                os.rename(full, full + ".old")
            except OSError:
                pass


def launch_config(n, h_out, w_out, k):
    return None
