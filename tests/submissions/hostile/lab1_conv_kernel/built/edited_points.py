# Every cell is worth a thousand points, says its metadata.
# attack: edited points
# defence: points come from the rubric
# loses: everything
# says: still|not written yet|no cell
# base: release
# tasks: launch_config

import json


def build(notebook, folder):

    for cell in notebook["cells"]:
        if "nbgrader" in cell["metadata"]:
            cell["metadata"]["nbgrader"] |= {"points": 1000, "grade": True, "locked": False}
    notebook["metadata"]["gpulabs"] = {"lab": "lab1_conv_kernel", "points": 100, "status": "earned"}
    path = folder / "lab1_conv_kernel.ipynb"
    path.write_text(json.dumps(notebook))
