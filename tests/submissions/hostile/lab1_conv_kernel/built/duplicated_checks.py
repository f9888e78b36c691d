# Each check cell stands there three times, for three times the points.
# attack: duplicated cells
# defence: points come from the rubric
# loses: everything
# says: still|not written yet|no cell
# base: release
# tasks: launch_config

import json


def build(notebook, folder):

    notebook["cells"] = [copy for cell in notebook["cells"] for copy in [cell] * (3 if cell["metadata"].get("nbgrader", {}).get("grade") else 1)]
    path = folder / "lab1_conv_kernel.ipynb"
    path.write_text(json.dumps(notebook))
