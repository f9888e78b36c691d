"""What is put in place, what is kept, and what the result is called."""

import dataclasses
import errno
import hashlib
import shutil

import pytest

from gpulabs import data
from gpulabs.data.fetch import fetch
from gpulabs.data.registry import SETS
from gpulabs.errors import BadInputError, DataError, MissingDataError, MissingError
from tests.gpulabs.data import fake

RAW = fake.archive()
SHA = hashlib.sha256(RAW).hexdigest()


@pytest.fixture
def official(monkeypatch, data_folder):
    """Makes the tiny archive the official one."""
    monkeypatch.setenv("no_proxy", "*")
    entry = dataclasses.replace(SETS["cifar10"], sha256=SHA, size=len(RAW), urls=())
    monkeypatch.setitem(SETS, "cifar10", entry)
    return entry


@pytest.fixture
def at_hand(tmp_path):
    file = tmp_path / "download.tar.gz"
    file.write_bytes(RAW)
    return file


def test_from_a_file_then_load(official, at_hand):
    done = fetch("cifar10", at_hand)
    assert (done.identity, done.official, done.already) == (SHA, True, False)
    assert data.load("cifar10").y_test.tolist() == [5, 9]
    assert data.identity("cifar10") == SHA
    assert fetch("cifar10").already


def test_from_the_network(official, monkeypatch):
    with fake.serve(fake.Host(RAW)) as host:
        monkeypatch.setitem(SETS, "cifar10", dataclasses.replace(official, urls=(host.url,)))
        assert fetch("cifar10").official
        fetch("cifar10", force=True)
    assert len(host.requests) == 2
    assert data.is_here("cifar10")


def test_another_archive_needs_a_word_and_keeps_its_own_name(data_folder, at_hand):
    with pytest.raises(DataError, match="expected 6d958be07457.*--any-checksum"):
        fetch("cifar10", at_hand)
    assert not data.is_here("cifar10")
    done = fetch("cifar10", at_hand, any_checksum=True)
    assert (done.identity, done.official) == (SHA, False)
    again = fetch("cifar10")
    assert (again.already, again.official) == (True, False)


def test_a_damaged_file_replaces_nothing(official, at_hand):
    fetch("cifar10", at_hand)
    at_hand.write_bytes(RAW[:-50])
    for any_checksum in (False, True):
        with pytest.raises(DataError):
            fetch("cifar10", at_hand, any_checksum=any_checksum)
    assert data.identity("cifar10") == SHA


def test_a_damaged_installed_archive_is_fetched_anew(official, monkeypatch):
    data.path("cifar10").parent.mkdir(parents=True)
    data.path("cifar10").write_bytes(RAW[:-50])
    with fake.serve(fake.Host(RAW)) as host:
        monkeypatch.setitem(SETS, "cifar10", dataclasses.replace(official, urls=(host.url,)))
        assert not fetch("cifar10").already
    assert data.identity("cifar10") == SHA


def test_from_the_installed_file_itself(official, at_hand):
    target = fetch("cifar10", at_hand).file
    assert fetch("cifar10", target).already
    assert data.identity("cifar10") == SHA


def test_no_such_file(official, tmp_path):
    with pytest.raises(BadInputError, match=r"no\.tar\.gz: there is no such file"):
        fetch("cifar10", tmp_path / "no.tar.gz")


@pytest.mark.parametrize(
    ("number", "error", "says"),
    [(errno.ENOSPC, MissingError, "the disk is full"), (errno.EACCES, BadInputError, "can't be written.*GPULABS_DATA")],
)
def test_a_disk_that_refuses_is_one_sentence_and_leaves_no_rest(official, at_hand, monkeypatch, number, error, says):
    def refuse(source, target):
        target.write_bytes(b"half")
        raise OSError(number, "refused")

    monkeypatch.setattr(shutil, "copyfile", refuse)
    with pytest.raises(error, match=says):
        fetch("cifar10", at_hand)
    assert list(data.folder().iterdir()) == []


def test_sets_of_scikit_learn_need_no_fetch(data_folder):
    assert fetch("digits").already
    assert fetch("digits").file is None


def test_a_missing_set_names_its_command(data_folder):
    with pytest.raises(MissingDataError, match="gpulabs data fetch cifar10"):
        data.load("cifar10")
