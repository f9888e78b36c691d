# Cells hold hundreds of thousands of definitions, for the grader to sort through.
# attack: compile bombs
# defence: a limit on what is parsed
# loses: everything
# says: statements
# base: release
# tasks: launch_config

import json


def build(notebook, folder):

    lines = "".join(f"a{number} = a{number - 1}\n" for number in range(1, 10_000))
    for number in range(30):
        notebook["cells"].insert(0, {"cell_type": "code", "id": f"c{number}", "metadata": {}, "outputs": [], "execution_count": None, "source": lines})
    path = folder / "lab1_conv_kernel.ipynb"
    path.write_text(json.dumps(notebook))
