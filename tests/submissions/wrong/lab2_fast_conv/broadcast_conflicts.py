# Counts threads that want the same word as a conflict.
# loses: bank_conflicts.passes
# says: expected 1

# %% task: bank_conflicts
def bank_conflicts(words):
    """Passes that one access of a warp takes; words holds the 32 threads' word indices."""
    wanted = {}
    for word in words:                          # the same word is served once
        wanted[word % 32] = wanted.get(word % 32, 0) + 1
    return max(wanted.values())
