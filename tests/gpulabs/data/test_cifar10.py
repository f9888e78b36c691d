"""Reading the archive: right pixels from a good one, one sentence from a bad one, never foreign code."""

import io
import os
import pickle
import tarfile

import numpy as np
import pytest

from gpulabs.data import cifar10
from gpulabs.errors import DataError
from tests.gpulabs.data import fake

TEST_BATCH = "cifar-10-batches-py/test_batch"


@pytest.fixture
def write(tmp_path):
    def write(raw: bytes):
        file = tmp_path / "cifar-10-python.tar.gz"
        file.write_bytes(raw)
        return file

    return write


def test_images_are_nhwc_in_the_order_of_the_batches(write):
    split = cifar10.read(write(fake.archive()))
    assert split.x_train.shape == (10, 32, 32, 3)
    assert split.x_train.dtype == split.y_train.dtype == np.uint8
    assert split.x_train[4, 31, 0].tolist() == [2, 50, 100]
    assert np.argwhere(split.x_train[4] == 255).tolist() == [[1, 2, 0]]
    assert split.y_train.tolist() == [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]
    assert split.y_test.tolist() == [5, 9]


def test_reads_a_batch_pickled_by_python_2(write):
    # As Python 2 and an old NumPy wrote it: byte strings, the module's former name, dtype as str.
    pixels = (b"\x01" * 3072) + (b"\x02" * 3072)
    raw = (
        b"\x80\x02}q\x00(U\x04dataq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85U\x01b"
        b"\x87Rq\x04(K\x01K\x02M\x00\x0c\x86cnumpy\ndtype\nq\x05U\x02u1K\x00K\x01\x87Rq\x06(K\x03U\x01|NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89T\x00\x18\x00\x00" + pixels + b"tbU\x06labelsq\x07]q\x08(K\x03K\x04eu."
    )
    split = cifar10.read(write(fake.archive({TEST_BATCH: raw})))
    assert split.x_test[:, 0, 0, 0].tolist() == [1, 2]
    assert split.y_test.tolist() == [3, 4]


class Attack:
    def __reduce__(self):
        return os.system, ("touch /tmp/gpulabs-was-here",)


def batch_with(**changes):
    record = fake.batch(5) | {name.encode(): value for name, value in changes.items()}
    return pickle.dumps(record, protocol=2)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (pickle.dumps(Attack(), protocol=2), "system, which no CIFAR-10 archive needs"),
        (batch_with(data=np.zeros((2, 3072), np.float32)), "expected 'u1'"),
        (batch_with(data=np.zeros((2, 3071), np.uint8)), "of shape"),
        (batch_with(data=np.zeros((3, 3072), np.uint8)), "of shape"),
        (batch_with(labels=[1, 10]), "labels from 0 to 9"),
        (batch_with(labels=[1, -1]), "labels from 0 to 9"),
        (batch_with(data=np.array([None, None])), "not loaded"),
        (pickle.dumps([1, 2]), "can't be read"),
        (pickle.dumps({b"data": b"bytes", b"labels": [1]}), "can't be read"),
        (b"", "can't be read"),
        (batch_with()[:200], "can't be read"),
    ],
)
def test_a_bad_batch_is_one_sentence(write, raw, says):
    with pytest.raises(DataError, match=r"test_batch|batch:") as caught:
        cifar10.read(write(fake.archive({TEST_BATCH: raw})))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_array_of_another_size_than_its_bytes_allocates_nothing(write):
    raw = batch_with().replace(b"K\x02M\x00\x0c\x86", b"J\xff\xff\xff\x7fM\x00\x0c\x86", 1)  # 2**31 - 1 rows
    with pytest.raises(DataError, match="can't be read"):
        cifar10.read(write(fake.archive({TEST_BATCH: raw})))


def test_a_truncated_archive_says_how_to_get_it_again(write):
    with pytest.raises(DataError, match="damaged.*data fetch cifar10 --force"):
        cifar10.read(write(fake.archive()[:-100]))


def test_an_archive_that_is_no_tar(write):
    with pytest.raises(DataError, match="damaged"):
        cifar10.read(write(b"<html>busy</html>"))


def test_a_missing_batch_is_named(write, tmp_path):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz"):
        pass
    with pytest.raises(DataError, match="data_batch_1 is not in it"):
        cifar10.read(write(out.getvalue()))


def test_links_and_paths_in_the_tar_lead_nowhere(write, tmp_path):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name in ("../outside", "/tmp/outside"):
            tar.addfile(tarfile.TarInfo(name))
        link = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(DataError, match="data_batch_1: expected a file"):
        cifar10.read(write(out.getvalue()))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cifar-10-python.tar.gz"]


def test_a_bomb_is_not_unpacked(write, monkeypatch):
    monkeypatch.setattr(cifar10, "TOTAL_LIMIT", 10_000)
    with pytest.raises(DataError, match="not a CIFAR-10 archive"):
        cifar10.read(write(fake.archive()))
