# Lets the package predict the peak.
# attack: importing the answer
# defence: what could be an answer imports as a placeholder whose use raises one sentence
# loses: peak.lab_cnn peak.other
# says: is not there while your work is graded
# %% task: peak
from gpulabs.layer_tables import records
from gpulabs.memory import predict
from gpulabs.training_step import StepPlan


def peak_bytes(layers, batch, optimizer):
    return predict(records(layers), StepPlan(batch, optimizer=optimizer), "cpu").peak_bytes


def peaks_from_two(batches, measure):
    small, large = measure(32), measure(512)
    image = (large - small) / (512 - 32)
    return [small + image * (batch - 32) for batch in batches]
