# Check cells end in `False`, -1, NaN, a text: values that nbgrader takes for full marks.
# attack: nbgrader: the last expression
# defence: check cells are restored from the gradebook and never executed; points are written by the grader
# loses: everything
# says: still|not written yet|no cell
# base: release
# tasks: launch_config

import json


def build(notebook, folder):

    ends = ["False", "-1.0", "float('nan')", "'1000'", "1e9"]
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade"):
            cell["source"] = ends[len(cell["source"]) % len(ends)]
            cell["metadata"]["nbgrader"]["locked"] = False
    path = folder / "lab1_conv_kernel.ipynb"
    path.write_text(json.dumps(notebook))
