# Begins at a rate of 0.
# loses: learning_rate.warm_up
# says: not from 0

# %% task: learning_rate
def learning_rate(step, batch, base_batch, base_rate, warm_up_steps):
    peak = base_rate * batch / base_batch
    return peak * min(1, step / warm_up_steps) if warm_up_steps else peak
