# Nothing is left but one cell that claims full marks.
# attack: deleted cells
# defence: a notebook without a task cell is refused
# refused: holds no task cell
# base: release
# tasks: launch_config

import json


def build(notebook, folder):

    notebook["cells"] = [{"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": 1, "source": "100"}]
    path = folder / "lab1_conv_kernel.ipynb"
    path.write_text(json.dumps(notebook))
