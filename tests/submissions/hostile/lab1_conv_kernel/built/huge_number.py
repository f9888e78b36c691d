# The notebook holds a number of a million digits.
# attack: host memory
# defence: what the reader can't hold is refused in one sentence
# refused: thousands of digits
# base: release
# tasks: launch_config

def build(notebook, folder):
    (folder / "lab1_conv_kernel.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": ' + "9" * 1_000_000 + "}")
