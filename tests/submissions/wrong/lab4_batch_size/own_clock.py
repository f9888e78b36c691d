# Reads the computer's clock and not the device's.
# loses: time_steps.waits time_steps.warm time_steps.short time_steps.samples
# says: clock.. that you are given

# %% task: time_steps
import time

def time_steps(step, synchronize, clock):
    def seconds(steps):
        start = time.perf_counter()
        for _ in range(steps):
            step()
        synchronize()
        return (time.perf_counter() - start) / steps


    seconds(10)
    return [1000 * seconds(1) for _ in range(30)]
