# The notebook says that it belongs to another lab.
# attack: edited metadata
# defence: the lab that is graded decides
# refused: a notebook of 'lab6_cifar10_cnn'
# base: release
# tasks: launch_config

import json


def build(notebook, folder):

    notebook["metadata"]["gpulabs"] = {"lab": "lab6_cifar10_cnn"}
    path = folder / "lab1_conv_kernel.ipynb"
    path.write_text(json.dumps(notebook))
