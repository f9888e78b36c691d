"""gpulabs data and version: what is printed, and with which exit code."""

import dataclasses
import hashlib

import pytest

from gpulabs import __version__
from gpulabs.data.registry import SETS
from gpulabs.exit_codes import ExitCode
from tests.gpulabs.data import fake

RAW = fake.archive()
SHA = hashlib.sha256(RAW).hexdigest()


@pytest.fixture
def at_hand(data_folder, tmp_path):
    file = tmp_path / "download.tar.gz"
    file.write_bytes(RAW)
    return file


def test_list_before_and_after(gpulabs, at_hand):
    rows = {row["name"]: row for row in gpulabs("data", "list", "--json").json["sets"]}
    assert (rows["cifar10"]["here"], rows["digits"]["here"]) == (False, True)
    assert "next: gpulabs data fetch cifar10" in gpulabs("data", "list").out
    gpulabs("data", "fetch", "cifar10", "--from", at_hand, "--any-checksum")
    run = gpulabs("data", "list")
    assert "yes, not the official archive" in run.out
    assert SHA[:12] in run.out
    assert "next:" not in run.out


def test_fetch_from_a_re_encoded_archive_says_so(gpulabs, at_hand):
    run = gpulabs("data", "fetch", "cifar10", "--from", at_hand, "--any-checksum")
    assert run.code == ExitCode.OK
    assert f"note: not the official archive; results name it by its own identity, sha256 {SHA[:12]}" in run.out
    assert "--force replaces it" in gpulabs("data", "fetch", "cifar10").out


def test_fetch_of_a_damaged_archive(gpulabs, at_hand):
    at_hand.write_bytes(RAW[:100])
    run = gpulabs("data", "fetch", "cifar10", "--from", at_hand)
    assert (run.code, run.out, run.err.count("\n")) == (ExitCode.BAD_INPUT, "", 1)


def test_fetch_from_the_network_as_json(gpulabs, data_folder, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with fake.serve(fake.Host(RAW)) as host:
        entry = dataclasses.replace(SETS["cifar10"], sha256=SHA, size=len(RAW), urls=(host.url,))
        monkeypatch.setitem(SETS, "cifar10", entry)
        done = gpulabs("data", "fetch", "cifar10", "--json").json
    assert (done["identity"], done["official"], done["already_here"]) == (SHA, True, False)


def test_ctrl_c_says_what_is_kept(gpulabs, data_folder, monkeypatch):
    def stop(*_, **__):
        data_folder.mkdir()
        (data_folder / "cifar-10-python.tar.gz.part").write_bytes(b"x" * 2_500_000)
        raise KeyboardInterrupt

    monkeypatch.setattr("gpulabs.data.fetch.fetch", stop)
    run = gpulabs("data", "fetch", "cifar10")
    assert run.code == ExitCode.INTERRUPTED
    assert run.err == "gpulabs: stopped by Ctrl-C; 2.5 MB are kept, gpulabs data fetch cifar10 goes on from there\n"


def test_path(gpulabs, at_hand, data_folder):
    run = gpulabs("data", "path", "cifar10")
    assert (run.code, run.out) == (ExitCode.MISSING, f"{data_folder / 'cifar-10-python.tar.gz'}\n")
    gpulabs("data", "fetch", "cifar10", "--from", at_hand, "--any-checksum")
    assert gpulabs("data", "path", "cifar10", "--json").json["here"]
    assert gpulabs("data", "path", "digits").code == ExitCode.BAD_INPUT


def test_version(gpulabs):
    assert gpulabs("version").out == f"gpulabs {__version__}\n"
    assert gpulabs("version", "--json").json == {"schema_version": 1, "version": __version__}
