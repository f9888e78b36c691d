"""Names, folders and identities of the sets."""

from pathlib import Path

import numpy as np
import pytest

from gpulabs import data
from gpulabs.data import bundled
from gpulabs.errors import BadInputError


def test_folder_follows_the_variables(monkeypatch, tmp_path):
    monkeypatch.setenv("GPULABS_DATA", str(tmp_path / "mine"))
    assert data.folder() == tmp_path / "mine"
    monkeypatch.delenv("GPULABS_DATA")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data.folder() == tmp_path / "gpulabs"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # the XDG rules: to be ignored
    assert data.folder() == Path.home() / ".cache" / "gpulabs"


def test_digits_are_small_images_with_disjoint_splits():
    split = data.load("digits")
    assert split.x_train.shape == (1500, 8, 8, 1)
    assert split.x_test.shape == (297, 8, 8, 1)
    assert split.x_train.max() == 16
    assert set(split.y_test.tolist()) == set(range(10))


def test_photographs_are_colour_images():
    images = data.load("photographs")
    assert {name: image.shape for name, image in images.items()} == dict.fromkeys(("china", "flower"), (427, 640, 3))


def test_identity_is_of_the_pixels():
    images = {"a": np.zeros((2, 2, 3), np.uint8)}
    same, other, turned = dict(images), {"a": images["a"] + 1}, {"a": images["a"].reshape(2, 3, 2)}
    assert bundled.identity(images) == bundled.identity(same)
    assert len({bundled.identity(variant) for variant in (images, other, turned)}) == 3


def test_unknown_names_list_the_known_ones():
    with pytest.raises(BadInputError, match="there are cifar10, photographs, digits"):
        data.load("imagenet")
    with pytest.raises(BadInputError, match="ships with scikit-learn"):
        data.path("digits")


def test_the_official_host_comes_first_and_all_are_encrypted():
    urls = data.SETS["cifar10"].urls
    assert "toronto.edu" in urls[0]
    assert all(url.startswith("https://") and url.endswith("cifar-10-python.tar.gz") for url in urls)
