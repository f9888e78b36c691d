# Counts the banks in use in place of the busiest one's words.
# loses: bank_conflicts.passes
# says: bank

# %% task: bank_conflicts
def bank_conflicts(words):
    """Passes that one access of a warp takes; words holds the 32 threads' word indices."""
    wanted = {}
    for word in set(words):                          # the same word is served once
        wanted[word % 32] = wanted.get(word % 32, 0) + 1
    return len(wanted)
