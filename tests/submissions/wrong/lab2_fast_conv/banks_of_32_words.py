# Words 0 to 31 in bank 0, the next 32 in bank 1: divides where the rest counts.
# loses: bank_conflicts.passes
# says: bank_conflicts

# %% task: bank_conflicts
def bank_conflicts(words):
    """Passes that one access of a warp takes; words holds the 32 threads' word indices."""
    wanted = {}
    for word in set(words):                          # the same word is served once
        wanted[word // 32] = wanted.get(word // 32, 0) + 1
    return max(wanted.values())
