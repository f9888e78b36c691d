# The test images are used to choose by.
# loses: split.held_out
# says: is a test image

# %% task: split
def split(train_images, test_images, held_out):
    return list(range(train_images)), list(range(train_images, train_images + held_out))
