# A memory model without the workspace of pooling.
# loses: peak.lab_cnn peak.other
# says: arrays for pooling

# %% task: peak
def peak_bytes(layers, batch, optimizer):
    return sum(state_bytes(layers, optimizer, "float32")) + activation_bytes(layers, batch, "float32")


def peaks_from_two(batches, measure):
    small, large = measure(32), measure(512)
    image = (large - small) / (512 - 32)
    return [small + image * (batch - 32) for batch in batches]
