# Every step has a wait of its own, which short steps don't hide.
# loses: time_steps.short
# says: costs more than the step|takes

# %% task: time_steps
def time_steps(step, synchronize, clock):
    def seconds(steps):
        start = clock()
        for _ in range(steps):
            step()
        synchronize()
        return (clock() - start) / steps


    seconds(10)
    return [1000 * seconds(1) for _ in range(30)]
