"""The network's misbehaviour, one test each, against a server on loopback."""

import errno
import hashlib

import pytest

from gpulabs.data import download as module
from gpulabs.data.download import Clock, DownloadError, download
from gpulabs.errors import BadInputError, DataError, MissingError
from tests.gpulabs.data.fake import Host, serve

BODY = bytes(range(256)) * 2000
SHA = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(module, "TIMEOUT_S", 5.0)


class Fake:
    """A clock that a test advances: by sleeping, and by `step` at each look."""

    def __init__(self, step=0.0):
        self.time, self.step, self.naps = 0.0, step, []

    def now(self):
        self.time += self.step
        return self.time

    def sleep(self, seconds):
        self.naps.append(seconds)

    def clock(self):
        return Clock(self.now, self.sleep)


def fetch(target, *hosts, fake=None, report=None):
    download([host.url for host in hosts], target, len(BODY), SHA, report, (fake or Fake()).clock())


@pytest.fixture
def target(tmp_path):
    return tmp_path / "new" / "archive"


def part(target):
    return target.with_name("archive.part")


def test_whole_file(target):
    seen = []
    with serve(Host(BODY)) as host:
        fetch(target, host, report=lambda done, total, name: seen.append((done, total)))
    assert target.read_bytes() == BODY
    assert not part(target).exists()
    assert seen[-1] == (len(BODY), len(BODY))


def test_goes_on_where_an_earlier_run_stopped(target):
    target.parent.mkdir()
    part(target).write_bytes(BODY[:1000])
    with serve(Host(BODY)) as host:
        fetch(target, host)
    assert host.requests == ["bytes=1000-"]
    assert target.read_bytes() == BODY


def test_goes_on_after_a_broken_connection(target):
    fake = Fake()
    with serve(Host(BODY, cut=[5000, 100])) as host:
        fetch(target, host, fake=fake)
    assert host.requests == ["", "bytes=5000-", "bytes=5100-"]
    assert fake.naps == [1.0, 1.0]
    assert target.read_bytes() == BODY


def test_a_host_without_ranges_loses_nothing_that_is_here(target):
    target.parent.mkdir()
    part(target).write_bytes(BODY[:70_000])
    with serve(Host(BODY, ranges=False, cut=[80_000])) as host:
        fetch(target, host)
    assert target.read_bytes() == BODY
    assert host.requests == ["bytes=70000-", "bytes=80000-"]


def test_a_busy_host_is_asked_again(target):
    fake = Fake()
    with serve(Host(BODY, statuses=[503, 503])) as host:
        fetch(target, host, fake=fake)
    assert fake.naps == [1.0, 2.0]
    assert target.read_bytes() == BODY


def test_a_host_without_the_file_is_left_at_once(target):
    with serve(Host(b"", statuses=[404])) as first, serve(Host(BODY)) as second:
        fetch(target, first, second)
    assert len(first.requests) == 1
    assert target.read_bytes() == BODY


def test_a_mirror_goes_on_where_the_first_host_failed(target):
    with serve(Host(BODY, cut=[3000, 0, 0])) as first, serve(Host(BODY)) as second:
        fetch(target, first, second)
    assert second.requests == ["bytes=3000-"]
    assert target.read_bytes() == BODY


def test_a_slow_host_is_left_for_a_mirror(target):
    fake = Fake()

    def report(done, total, name):
        fake.time += 20.0 if name in slow.url else 0.001

    with serve(Host(BODY)) as slow, serve(Host(BODY)) as mirror:
        fetch(target, slow, mirror, fake=fake, report=report)
    assert len(slow.requests) == 1
    assert mirror.requests[0].startswith("bytes=")
    assert target.read_bytes() == BODY


def test_when_all_hosts_are_slow_the_fetch_still_ends(target):
    with serve(Host(BODY)) as one, serve(Host(BODY)) as other:
        fetch(target, one, other, fake=Fake(step=20.0))
    assert target.read_bytes() == BODY


def test_wrong_bytes_are_not_installed_and_the_mirror_is_asked(target):
    with serve(Host(b"x" * len(BODY))) as bad, serve(Host(BODY)) as good:
        fetch(target, bad, good)
    assert good.requests == [""]
    assert target.read_bytes() == BODY


def test_wrong_bytes_kept_from_before_are_not_the_hosts_fault(target):
    target.parent.mkdir()
    part(target).write_bytes(b"x" * 1000)
    with serve(Host(BODY)) as host:
        fetch(target, host)
    assert host.requests == ["bytes=1000-", ""]
    assert target.read_bytes() == BODY


def test_wrong_bytes_everywhere_is_one_sentence_and_keeps_what_was_installed(target):
    target.parent.mkdir()
    target.write_bytes(b"installed before")
    with serve(Host(b"x" * len(BODY))) as host, pytest.raises(DataError, match="another archive.*--from FILE"):
        fetch(target, host)
    assert target.read_bytes() == b"installed before"


def test_an_error_page_is_no_archive(target):
    with serve(Host(b"<html>")) as host, pytest.raises(DownloadError, match="offers 6 bytes, expected 512000"):
        fetch(target, host)


def test_no_host_answers(target):
    with serve(Host(BODY)) as host:
        pass
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1.*0 of 1 MB are kept"):
        fetch(target, host)


def test_ctrl_c_keeps_what_arrived(target):
    def press(done, total, host):
        raise KeyboardInterrupt

    with serve(Host(BODY)) as host, pytest.raises(KeyboardInterrupt):
        fetch(target, host, report=press)
    kept = part(target).read_bytes()
    assert 0 < len(kept) < len(BODY)
    assert kept == BODY[: len(kept)]
    assert not target.exists()


def test_a_full_disk_is_one_sentence_and_keeps_what_arrived(target, monkeypatch):
    def write(file, chunk):
        raise module._Disk(OSError(errno.ENOSPC, "No space left on device"))

    target.parent.mkdir()
    part(target).write_bytes(BODY[:1000])
    monkeypatch.setattr(module, "_write", write)
    with serve(Host(BODY)) as host, pytest.raises(MissingError, match="the disk is full.*goes on where it stopped"):
        fetch(target, host)
    assert part(target).read_bytes() == BODY[:1000]


def test_the_disks_own_error_is_told_from_the_networks():
    class Full:
        def write(self, chunk):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(module._Disk):
        module._write(Full(), b"x")


def test_two_fetches_at_once_do_not_mix(target):
    from gpulabs.data import files

    target.parent.mkdir()
    with (
        files.only_one(part(target)),
        serve(Host(BODY)) as host,
        pytest.raises(BadInputError, match="another gpulabs is fetching"),
    ):
        fetch(target, host)


def test_a_redirect_from_https_to_http_is_refused():
    import urllib.error
    import urllib.request

    request = urllib.request.Request("https://example.org/a")
    with pytest.raises(urllib.error.URLError, match="refused a redirect"):
        module._NoDowngrade().redirect_request(request, None, 302, "", {}, "http://example.org/a")
