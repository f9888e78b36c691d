# An import hook waits for the judge's modules, to patch them as they load.
# attack: import hooks
# defence: the judge's modules are never imported where student Python runs
# loses: everything
# says: returned nothing|ended the grader

# %% task: launch_config
import sys


class Hook:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("autograder.") and any(part in name for part in ("judge", "score", "result", "rubric")):
            raise ImportError("hostile")
        return None


sys.meta_path.insert(0, Hook())
for name in [name for name in sys.modules if name.startswith("autograder.")]:
    if "worker" not in name:
        sys.modules[name] = sys.modules["json"]


def launch_config(n, h_out, w_out, k):
    return None
