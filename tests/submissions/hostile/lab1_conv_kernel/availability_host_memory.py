# The host's memory is asked for, piece by piece.
# attack: host memory
# defence: a limit on address space; MemoryError is the submission's fault
# loses: everything
# says: MemoryError|memory|did not end

# %% task: launch_config
HELD = []


def fill():
    while True:
        HELD.append(bytearray(1 << 28))
        HELD[-1][0] = 1


FILLED = fill()


def launch_config(n, h_out, w_out, k):
    return None
