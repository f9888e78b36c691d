# The notebook is a pipe that never ends.
# attack: endless loops on the host
# defence: what is no regular file is refused before it is opened
# refused: not a regular file
# base: release
# tasks: launch_config

import os


def build(notebook, folder):
    os.mkfifo(folder / "lab1_conv_kernel.ipynb")
