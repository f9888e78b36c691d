# The notebook's JSON is nested a million deep.
# attack: host memory
# defence: what the reader can't hold is refused in one sentence
# refused: nested too deeply
# base: release
# tasks: launch_config

def build(notebook, folder):
    (folder / "lab1_conv_kernel.ipynb").write_text("[" * 1_000_000 + "]" * 1_000_000)
