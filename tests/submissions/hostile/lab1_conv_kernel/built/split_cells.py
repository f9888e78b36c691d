# The task is split over two cells with one id, of which a grader might see only one.
# attack: split cells
# defence: all of a task's cells run, in order
# harmless: the code is right and all of it runs, so it earns what it is worth
# base: solution
# tasks: launch_config

import json


def build(notebook, folder):

    for number, cell in enumerate(list(notebook["cells"])):
        source = "".join(cell["source"])
        if "# task: launch_config" in source:
            head, rest = source.split("def launch_config", 1)
            second = json.loads(json.dumps(cell)) | {"id": "second", "source": "# task: launch_config\ndef launch_config" + rest}
            cell["source"] = head
            notebook["cells"].insert(number + 1, second)
            break
    path = folder / "lab1_conv_kernel.ipynb"
    path.write_text(json.dumps(notebook))
