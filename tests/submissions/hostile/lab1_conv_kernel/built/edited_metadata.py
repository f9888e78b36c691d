# Metadata names another student, a kernel that is a command, and results.
# attack: edited metadata
# defence: the student is named by the file's place; metadata is not read for anything else
# loses: everything
# says: still|not written yet|no cell
# base: release
# tasks: launch_config

import json


def build(notebook, folder):

    notebook["metadata"] |= {
        "student": "ada", "author": "ada", "authors": [{"name": "ada"}], "title": "<script>alert(1)</script>",
        "kernelspec": {"name": "x; touch /tmp/hostile-was-here", "argv": ["touch", "/tmp/hostile-was-here"]},
        "result": {"points": 100, "max_points": 100},
    }
    path = folder / "lab1_conv_kernel.ipynb"
    path.write_text(json.dumps(notebook))
