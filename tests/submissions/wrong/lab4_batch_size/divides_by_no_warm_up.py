# Divides by the steps of a warm-up that may have none.
# loses: learning_rate.scaled
# says: ZeroDivisionError

# %% task: learning_rate
def learning_rate(step, batch, base_batch, base_rate, warm_up_steps):
    peak = base_rate * batch / base_batch
    return base_rate + (peak - base_rate) * min(1, step / warm_up_steps)
