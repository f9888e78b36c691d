# The right cell and a wrong one stand there, in the hope that any right one counts.
# attack: duplicated cells
# defence: all of a task's cells run, in order: the last definition counts, as in the notebook
# loses: everything
# says: returned nothing
# base: solution
# tasks: launch_config

import json


def build(notebook, folder):

    for number, cell in enumerate(list(notebook["cells"])):
        if "# task: launch_config" in "".join(cell["source"]):
            wrong = json.loads(json.dumps(cell)) | {"id": "again", "source": "# task: launch_config\ndef launch_config(n, h_out, w_out, k):\n    return None\n"}
            notebook["cells"].insert(number + 1, wrong)
            break
    path = folder / "lab1_conv_kernel.ipynb"
    path.write_text(json.dumps(notebook))
