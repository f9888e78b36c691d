# Counts the passes that are too many: none where there is no conflict.
# loses: bank_conflicts.passes
# says: bank_conflicts

# %% task: bank_conflicts
def bank_conflicts(words):
    """Passes that one access of a warp takes; words holds the 32 threads' word indices."""
    wanted = {}
    for word in set(words):                          # the same word is served once
        wanted[word % 32] = wanted.get(word % 32, 0) + 1
    return max(wanted.values()) - 1
