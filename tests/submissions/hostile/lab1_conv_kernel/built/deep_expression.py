# One expression nests deeper than a parser goes.
# attack: compile bombs
# defence: what the parser can't hold is a fault in one sentence
# loses: everything
# says: nested|syntax error
# base: release
# tasks: launch_config

import json


def build(notebook, folder):

    for cell in notebook["cells"]:
        if "# task: launch_config" in "".join(cell["source"]):
            cell["source"] = "# task: launch_config\nx = " + "(" * 50_000 + ")" * 50_000
    path = folder / "lab1_conv_kernel.ipynb"
    path.write_text(json.dumps(notebook))
