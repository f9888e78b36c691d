# Goes on stepping the grader's device from a thread, after the function has returned.
# attack: calls after the return
# defence: a rig answers from the opening of its case to the function's return, and is opened once
# harmless: the times were measured before; what the thread does afterwards is refused and in no log
# %% task: time_steps
import threading
import time


def time_steps(step, synchronize, clock):
    def seconds(steps):
        start = clock()
        for _ in range(steps):
            step()
        synchronize()
        return (clock() - start) / steps

    def later():
        time.sleep(0.05)
        for _ in range(20):
            try:
                step()
            except RuntimeError:
                time.sleep(0.01)

    seconds(10)
    steps = max(1, round(0.03 / seconds(1)))
    times = [1000 * seconds(steps) for _ in range(30)]
    threading.Thread(target=later, daemon=True).start()
    return times
