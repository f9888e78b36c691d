# Rows and columns exchanged; a scale that is one factor of 2 too large; one direction of each pair.
# loses: precision.scale reading.matrix reading.pairs
# says: expected

# %% task: precision
import math

def loss_scale(largest_gradient):
    return 2 ** max(1, math.ceil(math.log2(65504 / largest_gradient)))

# %% task: reading
def confusion(truth, predicted, classes):
    matrix = [[0] * classes for _ in range(classes)]
    for is_, taken_for in zip(truth, predicted):
        matrix[taken_for][is_] += 1
    return matrix

def most_confused(matrix, pairs):
    classes = range(len(matrix))
    errors = [(matrix[a][b], a, b) for a in classes for b in classes if a != b]
    return [sorted(pair) for _, *pair in sorted(errors, reverse=True)[:pairs]]
