"""A server of one file on loopback: it knows ranges, counts its bytes and breaks off when told."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Origin(ThreadingHTTPServer):
    """Serves ``content``; with ``break_after`` the connection ends after that many bytes, once."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = content
        self.etag: str | None = '"one"'
        self.ranges = True
        self.break_after: int | None = None
        self.hold_after: int | None = None
        self.released = threading.Event()
        self.redirect: str | None = None
        self.status = 200
        self.n_requests = 0
        self.n_sent = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/weights.bin"

    def __enter__(self) -> Origin:
        self._thread = threading.Thread(target=lambda: self.serve_forever(0.02))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    server: Origin

    def do_HEAD(self) -> None:
        """What the Hub tells of a file before it is fetched."""
        self.send_response(self.server.status)
        self.send_header("ETag", self.server.etag or "")
        self.send_header("X-Repo-Commit", self.path.split("/")[4])
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()

    def do_GET(self) -> None:
        origin = self.server
        origin.n_requests += 1
        if origin.redirect is not None:
            self.send_response(302)
            self.send_header("Location", origin.redirect)
            self.end_headers()
            return
        if origin.status != 200:
            self.send_error(origin.status)
            return
        start = self._start()
        if start and start >= len(origin.content):
            self.send_error(416)
            return
        body = origin.content[start:]
        self.send_response(206 if start else 200)
        if origin.etag is not None:
            self.send_header("ETag", origin.etag)
        if start:
            whole = len(origin.content)
            self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self._send(body)

    def _start(self) -> int:
        wanted = self.headers.get("Range")
        if wanted is None or not self.server.ranges:
            return 0
        if self.headers.get("If-Range", self.server.etag) != self.server.etag:
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    def _send(self, body: bytes) -> None:
        origin = self.server
        limit = len(body) if origin.break_after is None else origin.break_after
        origin.break_after = None
        for at in range(0, limit, 16384):
            if origin.hold_after is not None and at >= origin.hold_after:
                origin.hold_after = None
                origin.released.wait()
            block = body[at : min(at + 16384, limit)]
            self.wfile.write(block)
            origin.n_sent += len(block)

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""
