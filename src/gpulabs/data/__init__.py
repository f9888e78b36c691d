"""Data sets of the labs: `load` one by name, `identity` to record which bytes it was.

    cifar10       60,000 colour images, 10 classes; fetched once: gpulabs data fetch cifar10
    photographs   two photographs, 427 x 640; ship with scikit-learn
    digits        1,797 handwritten digits, 8 x 8; ship with scikit-learn: the small offline set

Example:
    >>> from gpulabs.data import load
    >>> x_train, y_train, x_test, y_test = load("digits")
"""

from gpulabs.data.registry import SETS, DataSet, Split, folder, identity, is_here, load, path

__all__ = ["SETS", "DataSet", "Split", "folder", "identity", "is_here", "load", "path"]
