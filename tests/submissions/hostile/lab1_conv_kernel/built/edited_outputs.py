# Outputs of the check cells show full marks.
# attack: edited metadata
# defence: outputs are not read
# loses: everything
# says: still|not written yet|no cell
# base: release
# tasks: launch_config

import json


def build(notebook, folder):

    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": {"text/plain": "25.0"}}]
    path = folder / "lab1_conv_kernel.ipynb"
    path.write_text(json.dumps(notebook))
