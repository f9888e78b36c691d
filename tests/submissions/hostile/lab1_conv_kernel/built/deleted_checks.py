# All check cells are deleted, so that nothing can fail.
# attack: deleted cells
# defence: points come from the rubric, check cells from the gradebook
# loses: everything
# says: still|not written yet|no cell
# base: release
# tasks: launch_config

import json


def build(notebook, folder):

    notebook["cells"] = [cell for cell in notebook["cells"] if not cell["metadata"].get("nbgrader", {}).get("grade")]
    path = folder / "lab1_conv_kernel.ipynb"
    path.write_text(json.dumps(notebook))
