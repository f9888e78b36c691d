# Every few images are held out, in a shuffled order.

# %% task: split
import random

def split(train_images, test_images, held_out):
    order = list(range(train_images))
    random.Random(7).shuffle(order)
    return order[held_out:], order[:held_out]
