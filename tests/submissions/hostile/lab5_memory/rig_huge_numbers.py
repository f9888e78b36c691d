# Asks the rig with numbers that no batch has.
# attack: overflow
# defence: a rig takes whole numbers from 1 to 2 to the power of 30; anything else raises, and is no try
# loses: largest_batch.largest largest_batch.few largest_batch.usable
# says: without a try|no try
# %% task: largest_batch
def largest_batch(try_batch, release):
    for batch in (10**400, 2**63 - 1, 1 << 40, -1, 0, 1e308, float("inf"), float("nan"), "1", [1] * 10000, None, True):
        try:
            try_batch(batch)
            release()
        except Exception:
            continue
    return 0
