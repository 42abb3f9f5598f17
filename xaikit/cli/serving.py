"""A folder over HTTP for whoever sits at this machine: files are read, and nothing else."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".csv": "text/plain; charset=utf-8",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}
"""By suffix; all else is bytes that no browser runs."""

# a page's own policy names the digests of its scripts, and a browser keeps both policies
POLICY = (
    "default-src 'none'; img-src 'self' data: blob:; style-src 'unsafe-inline'; script-src 'self' 'unsafe-inline'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

METHODS = ("GET", "HEAD")

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}

# any port: it is another one where ssh forwards it
_HOST = re.compile(r"(127\.0\.0\.1|localhost)(:\d{1,5})?", re.IGNORECASE | re.ASCII)


class FolderServer(ThreadingHTTPServer):
    """A folder at a free port of 127.0.0.1, from the moment that it is made; ``serve_forever`` answers.

    Args:
        folder: what is served, symbolic links out of it aside.
        index: the file that stands for the folder itself.

    Raises:
        OSError: there is no such folder, or no port.
    """

    daemon_threads = True

    def __init__(self, folder: Path, index: str) -> None:
        self.folder = folder.resolve(strict=True)
        self.index = index
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def file(self, target: str) -> Path | None:
        """The file that the target of a request names; None where the folder holds none."""
        try:
            path = unquote(urlsplit(target).path, errors="strict").lstrip("/")
            file = (self.folder / (path or self.index)).resolve()
            return file if file.is_relative_to(self.folder) and file.is_file() else None
        except (ValueError, OSError, RuntimeError):  # no UTF-8, a NUL, a name too long, links in a circle
            return None


class _Handler(BaseHTTPRequestHandler):
    server: FolderServer
    timeout = 30
    server_version, sys_version = "xaikit", ""

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        if self.command not in METHODS:
            self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)
        return self.command in METHODS

    def _answer(self, *, with_body: bool) -> None:
        # a foreign name that leads here is a foreign page that reads the folder (DNS rebinding)
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or not _HOST.fullmatch(hosts[0].strip()):
            return self.send_error(HTTPStatus.FORBIDDEN, "expected the host 127.0.0.1 or localhost")
        if not self.path.startswith("/"):
            return self.send_error(HTTPStatus.BAD_REQUEST)
        file = self.server.file(self.path)
        if file is None:
            return self.send_error(HTTPStatus.NOT_FOUND)
        return self._send(file, with_body)

    def _send(self, file: Path, with_body: bool) -> None:
        try:
            stream = file.open("rb")
        except OSError:  # gone since, or not ours to read
            return self.send_error(HTTPStatus.NOT_FOUND)
        with stream, contextlib.suppress(ConnectionError):  # whoever asked may be gone
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", TYPES.get(file.suffix.lower(), "application/octet-stream"))
            self.send_header("Content-Length", str(os.fstat(stream.fileno()).st_size))
            self.end_headers()
            if with_body:
                shutil.copyfileobj(stream, self.wfile)
        return None

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if self.command not in METHODS:
            self.send_header("Allow", ", ".join(METHODS))
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """What others ask is not for the terminal."""
