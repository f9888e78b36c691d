# A function returns an object whose pickle runs code.
# attack: pickles
# defence: values leave the process as plain numbers in JSON
# loses: everything
# says: returned Bomb

# %% task: launch_config
import os


class Bomb(dict):
    def __reduce__(self):
        return os.system, ("touch /tmp/hostile-was-here",)

    def __reduce_ex__(self, protocol):
        return self.__reduce__()


def launch_config(n, h_out, w_out, k):
    return Bomb(grid=(1, 1, 1))
