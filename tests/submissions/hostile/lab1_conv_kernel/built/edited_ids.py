# Task cells take the names of check cells, and of files.
# attack: edited ids
# defence: a task's cell is found by its text; ids name no file
# loses: everything
# says: still|not written yet|no cell
# base: release
# tasks: launch_config

import json


def build(notebook, folder):

    for number, cell in enumerate(notebook["cells"]):
        cell["id"] = f"../../canary-{number}"
        if "nbgrader" in cell["metadata"]:
            cell["metadata"]["nbgrader"]["grade_id"] = "../../" + cell["metadata"]["nbgrader"]["grade_id"]
    path = folder / "lab1_conv_kernel.ipynb"
    path.write_text(json.dumps(notebook))
