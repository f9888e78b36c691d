# The notebook has a gigabyte of outputs.
# attack: host memory
# defence: a limit on the file's size, before it is read
# refused: MiB, more than
# base: release
# tasks: launch_config

def build(notebook, folder):
    with (folder / "lab1_conv_kernel.ipynb").open("wb") as file:
        file.truncate(1 << 30)  # a hole: it takes no disk
