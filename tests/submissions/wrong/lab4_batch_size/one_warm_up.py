# Warms up with one step, where ten are slow.
# loses: time_steps.warm
# says: a warm step takes

# %% task: time_steps
def time_steps(step, synchronize, clock):
    def seconds(steps):
        start = clock()
        for _ in range(steps):
            step()
        synchronize()
        return (clock() - start) / steps


    seconds(1)
    steps = max(1, round(0.03 / seconds(1)))
    return [1000 * seconds(steps) for _ in range(30)]
