# Stage 5's kernel again: right, and four bytes a load.
# loses: conv_vector.wide conv_vector.speed
# says: 16|wide|128

# %% task: conv_vector
def conv_vector(x, w, stride, padding):
    return conv_blocked(x, w, stride, padding)
