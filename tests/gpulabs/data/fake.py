"""A tiny archive laid out as CIFAR-10's, and a server on loopback that misbehaves on demand."""

from __future__ import annotations

import contextlib
import io
import pickle
import tarfile
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

BATCHES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
PER_BATCH = 2


def batch(number: int) -> dict[bytes, object]:
    """Two images: all pixels `number` red, 50 green, 100 blue, row 1 column 2 red 255; labels `number` and 9."""
    planes = np.concatenate([np.full(1024, value, np.uint8) for value in (number, 50, 100)])
    planes[1 * 32 + 2] = 255
    return {b"data": np.stack([planes] * PER_BATCH), b"labels": [number, 9], b"batch_label": b"fake"}


def archive(batches: dict[str, bytes] | None = None) -> bytes:
    """Returns the archive's bytes; `batches` replaces members by name."""
    contents = {f"cifar-10-batches-py/{name}": pickle.dumps(batch(i), protocol=2) for i, name in enumerate(BATCHES)}
    contents.update(batches or {})
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, raw in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    return out.getvalue()


@dataclass
class Host:
    """What the server does.

    Attributes:
        body: What it serves.
        ranges: Whether it understands Range.
        cut: For each request in turn, how many bytes it sends before it hangs up; whole ones after.
        statuses: For each request in turn, a status to answer with, before any success.
        requests: The Range header of each request, "" for none.
        url: Where it listens.
    """

    body: bytes
    ranges: bool = True
    cut: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    url: str = ""


def _handler(host: Host) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers.get("Range", "")
            host.requests.append(asked)
            if host.statuses:
                self.send_error(host.statuses.pop(0))
                return
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and host.ranges else 0
            rest = host.body[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(host.body) - 1}/{len(host.body)}")
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            self.wfile.write(rest[: host.cut.pop(0)] if host.cut else rest)

        def log_message(self, *_):
            pass

    return Handler


@contextlib.contextmanager
def serve(host: Host):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(host))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    host.url = f"http://127.0.0.1:{server.server_port}/cifar-10-python.tar.gz"
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
