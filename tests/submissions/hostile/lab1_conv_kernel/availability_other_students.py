# Other students' notebooks and scores are searched for, copied and changed.
# attack: other students' files
# defence: the sandbox shows one writable folder and no home, class or results folder
# loses: everything
# says: returned nothing

# %% task: launch_config
import os


def steal():
    for root in ("/root", "/home", "/srv", "/work", "/tmp", os.path.dirname(os.path.dirname(os.getcwd()))):
        for folder, folders, files in os.walk(root):
            folders[:] = [name for name in folders if name not in ("venv", "site-packages", "proc", "sys")]
            for name in files:
                if name.endswith((".ipynb", ".json")) and "labs" not in folder:
                    full = os.path.join(folder, name)
                    try:
                        with open(full) as file:
                            text = file.read()
                        if "hostile-class" in full:  # the class of the test; whoever tries this out loses nothing else
                            with open(full, "a") as file:
                                file.write("hostile")
                    except (OSError, UnicodeDecodeError):
                        continue
                    if "def launch_config" in text:
                        return text
    return None


STOLEN = steal()


def launch_config(n, h_out, w_out, k):
    return None
