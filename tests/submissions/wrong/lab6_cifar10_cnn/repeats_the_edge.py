# The edge is repeated, degrees are taken for radians, contrast is about one half.
# loses: augment.move augment.turn augment.recolour
# says: values differ; the first at

# %% task: augment
import math
import numpy as np

def move(image, mirror, dx, dy):
    image = np.array(image)[:, ::-1] if mirror else np.array(image)
    padded = np.pad(image, ((9, 9), (9, 9), (0, 0)), mode="edge")
    return padded[9 - dy : 9 - dy + image.shape[0], 9 - dx : 9 - dx + image.shape[1]]

def turned_from(row, column, height, width, degrees):
    down, along = row - (height - 1) / 2, column - (width - 1) / 2
    cos, sin = math.cos(degrees), math.sin(degrees)
    return (height - 1) / 2 + cos * down + sin * along, (width - 1) / 2 + cos * along - sin * down

def recolour(image, brightness, contrast):
    return np.clip(0.5 + contrast * (np.array(image) * brightness - 0.5), 0, 1)
