# One long sample.
# loses: time_steps.samples
# says: gives 1 times|median

# %% task: time_steps
def time_steps(step, synchronize, clock):
    def seconds(steps):
        start = clock()
        for _ in range(steps):
            step()
        synchronize()
        return (clock() - start) / steps


    seconds(10)
    steps = max(1, round(0.03 / seconds(1)))
    return [1000 * seconds(steps)]
