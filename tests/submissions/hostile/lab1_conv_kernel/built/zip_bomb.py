# The notebook is an archive that unpacks to gigabytes.
# attack: zip bombs
# defence: a notebook is text or nothing: no archive is ever unpacked
# refused: not text|not a notebook
# base: release
# tasks: launch_config

import zipfile


def build(notebook, folder):
    with zipfile.ZipFile(folder / "lab1_conv_kernel.ipynb", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../../etc/canary", bytes(1 << 26))
