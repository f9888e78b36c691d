# The first call, which compiles, is the first sample.
# loses: time_steps.warm
# says: sample 1;.*|The first call compiles

# %% task: time_steps
def time_steps(step, synchronize, clock):
    def seconds(steps):
        start = clock()
        for _ in range(steps):
            step()
        synchronize()
        return (clock() - start) / steps


    first = seconds(1)
    steps = max(1, round(0.03 / seconds(1)))
    return [1000 * first] + [1000 * seconds(steps) for _ in range(30)]
