# An entry point is installed that pytest, nbgrader and jupyter would load.
# attack: plugins
# defence: packages are read-only
# loses: everything
# says: returned nothing

# %% task: launch_config
import os
import sys

for folder in dict.fromkeys([os.getcwd(), *sys.path]):
    try:
        made = os.path.join(folder, "hostile-1.0.dist-info")
        os.makedirs(made)
        with open(os.path.join(made, "entry_points.txt"), "w") as file:
            file.write("[pytest11]\nhostile = hostile\n[console_scripts]\nautograder = hostile:main\n")
    except OSError:
        continue


def launch_config(n, h_out, w_out, k):
    return None
