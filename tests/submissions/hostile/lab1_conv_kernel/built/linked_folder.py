# The whole folder is a link to another student's.
# attack: symlinks
# defence: links are refused by their kind, before anything is read
# refused: a link, not a folder
# base: release
# tasks: launch_config

def build(notebook, folder):
    folder.rmdir()
    folder.symlink_to("../ada/lab1_conv_kernel")
