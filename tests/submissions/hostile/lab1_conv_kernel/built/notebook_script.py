# Markdown, names and titles hold scripts for whoever opens the feedback.
# attack: script in feedback
# defence: what is shown of a notebook is escaped
# loses: everything
# says: Exception
# base: release
# tasks: launch_config

import json


def build(notebook, folder):

    notebook["cells"].insert(0, {"cell_type": "markdown", "id": "m", "metadata": {}, "source": "<script>alert(1)</script><iframe src=x>"})
    for cell in notebook["cells"]:
        if "# task: launch_config" in "".join(cell["source"]):
            cell["source"] = "# task: launch_config\nraise Exception('<script>alert(2)</script>')"
            cell["metadata"]["nbgrader"]["grade_id"] = "<script>alert(3)</script>"
    path = folder / "lab1_conv_kernel.ipynb"
    path.write_text(json.dumps(notebook))
