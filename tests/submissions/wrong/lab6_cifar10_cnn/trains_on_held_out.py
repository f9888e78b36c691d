# Trained on what is held out, too.
# loses: split.held_out
# says: are in both lists

# %% task: split
def split(train_images, test_images, held_out):
    return list(range(train_images)), list(range(train_images - held_out, train_images))
