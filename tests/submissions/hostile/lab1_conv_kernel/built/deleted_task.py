# The task's cell is deleted.
# attack: deleted cells
# defence: a task without a cell is lost
# loses: everything
# says: still|not written yet|no cell
# base: release
# tasks: launch_config

import json


def build(notebook, folder):

    notebook["cells"] = [cell for cell in notebook["cells"] if "# task: launch_config" not in "".join(cell["source"])]
    path = folder / "lab1_conv_kernel.ipynb"
    path.write_text(json.dumps(notebook))
