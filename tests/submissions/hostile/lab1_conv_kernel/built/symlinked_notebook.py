# The notebook is a link to another student's work.
# attack: symlinks
# defence: links are refused by their kind, before anything is read
# refused: a link, not a file
# base: release
# tasks: launch_config

def build(notebook, folder):
    (folder / "lab1_conv_kernel.ipynb").symlink_to("../../ada/lab1_conv_kernel/lab1_conv_kernel.ipynb")
