# One call into C never comes back, so that no signal is handled.
# attack: endless loops on the host
# defence: silence ends what ignores signals
# loses: everything
# says: no sign|did not end|memory

# %% task: launch_config
ENDLESS = 3 ** (10 ** 9) % 7


def launch_config(n, h_out, w_out, k):
    return None
