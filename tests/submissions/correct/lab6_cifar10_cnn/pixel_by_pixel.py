# Loops over pixels, lists returned, the turn as a complex number.

# %% task: augment
import cmath
import math

def _inside(place, size):
    while not 0 <= place < size:
        place = -place if place < 0 else 2 * (size - 1) - place
    return place

def move(image, mirror, dx, dy):
    height, width = len(image), len(image[0])
    new = []
    for i in range(height):
        row = []
        for j in range(width):
            column = _inside(j - dx, width)
            row.append(image[_inside(i - dy, height)][width - 1 - column if mirror else column])
        new.append(row)
    return new

def turned_from(row, column, height, width, degrees):
    middle = complex((width - 1) / 2, -(height - 1) / 2)
    was = (complex(column, -row) - middle) * cmath.exp(-1j * math.radians(degrees)) + middle
    return [-was.imag, was.real]

def recolour(image, brightness, contrast):
    bright = [[[value * brightness for value in pixel] for pixel in row] for row in image]
    values = [value for row in bright for pixel in row for value in pixel]
    mean = sum(values) / len(values)
    return [[[min(1, max(0, mean + contrast * (value - mean))) for value in pixel] for pixel in row] for row in bright]
