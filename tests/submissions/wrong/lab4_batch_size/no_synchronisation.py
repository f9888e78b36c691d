# Reads the clock while the device still works.
# loses: time_steps.waits time_steps.warm time_steps.short time_steps.samples
# says: only queues a step

# %% task: time_steps
def time_steps(step, synchronize, clock):
    for _ in range(10):
        step()
    synchronize()
    times = []
    for _ in range(30):
        start = clock()
        step()
        times.append(1000 * (clock() - start))
    return times
