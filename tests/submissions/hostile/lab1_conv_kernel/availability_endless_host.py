# A loop without end swallows every exception.
# attack: endless loops on the host
# defence: a time limit, and silence ends what ignores it
# loses: everything
# says: no sign|did not end

# %% task: launch_config
def spin():
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue


SPUN = spin()


def launch_config(n, h_out, w_out, k):
    return None
