# Three notebooks are handed in, none by the right name.
# attack: duplicated cells
# defence: which one counts is never guessed
# refused: several notebooks
# base: release
# tasks: launch_config

import json


def build(notebook, folder):
    for name in ("a", "b", "..c"):
        (folder / f"{name}.ipynb").write_text(json.dumps(notebook))
