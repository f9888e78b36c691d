"""Trials, feeds and their pictures: shapes, small runs and what is shown while nothing is written yet."""

import numpy as np
import pytest

from gpulabs.errors import BadInputError
from gpulabs.feeding import ToyFeed
from gpulabs.plots import accuracy_race, confused_pairs, confusion_map, feed_timeline, rate_curves, training_curves
from gpulabs.trial import Trial, image_set, try_recipe

TRIAL = Trial((2.0, 1.0), (0.3, 0.6), (1.8, 0.9), (0.5, 0.7), (4.0, 1.0), np.zeros(3, np.uint8))


def test_time_to_an_accuracy_counts_the_epochs_up_to_it():
    assert TRIAL.seconds_to(0.5) == 4.0
    assert TRIAL.seconds_to(0.6) == 5.0
    assert TRIAL.seconds_to(0.8) is None


def test_without_a_gpu_digits_stand_in():
    images = image_set(full=False)

    assert images.is_small
    assert images.x_train.shape == (900, 16, 16, 3)
    assert (images.x_train.dtype, images.x_train.max()) == (np.uint8, 255)
    assert len(images.x_test) == len(images.y_test) == 297


def test_nothing_is_trained_while_something_is_missing(capsys):
    assert try_recipe(None, {}, image_set(full=False), [1]) is None
    assert "Nothing to train yet" in capsys.readouterr().out


def test_a_toy_takes_whichever_is_longer():
    toy = ToyFeed(8.0, 4.0, np.random.default_rng(0))
    toy.step(toy.next_batch())
    toy.synchronize()
    begin = toy.clock()
    for _ in range(50):
        toy.step(toy.next_batch())
    toy.synchronize()

    assert (toy.clock() - begin) / 50 == pytest.approx(8.1e-3, rel=0.03)
    assert toy.share == pytest.approx(0.5, abs=0.01)
    with pytest.raises(ValueError, match="no batch that next_batch"):
        toy.step(999)


def test_pictures_say_what_they_show():
    matrix = [[5, 3], [1, 6]]

    assert "a taken for b, 3 times" in confusion_map(matrix, ["a", "b"]).alt
    assert "73.3% right" in confusion_map(matrix, ["a", "b"]).alt
    assert "one after the other 10 ms" in feed_timeline(6, 4).alt
    assert "with prefetch 6 ms" in feed_timeline(6, 4).alt
    assert "mine from 0.1 to 0.01" in rate_curves({"mine": [0.1, 0.01]}).alt
    assert accuracy_race({"mine": TRIAL, "later": None}, 0.6).alt == "time to 60%: mine 5.0 s"
    assert "mine not reached" in accuracy_race({"mine": TRIAL}, 0.9).alt
    assert "mine: 70.0% of held-out" in training_curves({"mine": TRIAL}).alt
    images, truth, taken = np.zeros((3, 4, 4, 3), np.uint8), [0, 0, 1], [1, 0, 0]
    assert "a, taken for b (1): 1 images" in confused_pairs([[0, 1]], images, truth, taken, "ab").alt


def test_pictures_of_nothing_are_empty_frames():
    assert "nothing to count yet" in confusion_map(None, ["a", "b"]).alt
    assert training_curves({"mine": None}).alt == "nothing is trained yet"
    assert "nothing is trained yet" in accuracy_race({"mine": None}, 0.5).alt
    assert "nothing to show yet" in confused_pairs(None, np.zeros((1, 4, 4, 3), np.uint8), [0], [0], "a").alt
    with pytest.raises(BadInputError, match="for 3 classes"):
        confusion_map([[1, 2], [3, 4]], ["a", "b", "c"])
