"""A served folder, asked by raw requests: what lies in it is read, and nothing else by nobody else."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

import pytest

from xaikit.cli.serving import HEADERS, FolderServer

FILES = {
    "report.html": b"<!doctype html><title>run</title>",
    "pictures/a b.webp": b"RIFF",
    "pictures/%41.png": b"a name with a percent sign",
    "pictures/\u0421\u043e\u0431\u0430\u043a\u0430.jpg": b"JFIF",
    "evil.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    "manifest.json": b"{}",
    "report/1.js": b"page(1)",
    "shards/x.safetensors": b"\0" * 300_000,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run = tmp_path / "run"
    for name, content in FILES.items():
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_bytes(content)
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "run-beside").mkdir()
    (tmp_path / "run-beside" / "secret.txt").write_text("secret")
    (run / "link.txt").symlink_to(tmp_path / "secret.txt")
    (run / "linked").symlink_to(tmp_path / "run-beside")
    (run / "inner.json").symlink_to(run / "manifest.json")
    (run / "circle").symlink_to(run / "circle")
    os.mkfifo(run / "pipe")
    return run


@pytest.fixture
def server(folder: Path) -> Iterator[FolderServer]:
    with FolderServer(folder, "report.html") as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def sent(server: FolderServer, request: bytes) -> tuple[int, Message, bytes]:
    """Status, headers and body of what bytes on a socket are answered with."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    status, _, headers = head.partition(b"\r\n")
    return int(status.split()[1]), BytesParser().parsebytes(headers, headersonly=True), body


def requested(
    server: FolderServer, target: str, method: str = "GET", host: str = "127.0.0.1"
) -> tuple[int, Message, bytes]:
    return sent(server, f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())


@pytest.mark.parametrize(
    ("target", "name", "kind"),
    [
        ("/", "report.html", "text/html; charset=utf-8"),
        ("/?a=b", "report.html", "text/html; charset=utf-8"),
        ("/report.html?x=/../../secret.txt", "report.html", "text/html; charset=utf-8"),
        ("/pictures/a%20b.webp", "pictures/a b.webp", "image/webp"),
        ("/pictures/%2541.png", "pictures/%41.png", "image/png"),
        ("/pictures/%D0%A1%D0%BE%D0%B1%D0%B0%D0%BA%D0%B0.jpg", "pictures/\u0421\u043e\u0431\u0430\u043a\u0430.jpg", "image/jpeg"),
        ("/manifest.json", "manifest.json", "application/json"),
        ("/report/1.js", "report/1.js", "text/javascript; charset=utf-8"),
        ("/inner.json", "manifest.json", "application/json"),
        ("/evil.svg", "evil.svg", "application/octet-stream"),
        ("/shards/x.safetensors", "shards/x.safetensors", "application/octet-stream"),
    ],
)  # fmt: skip
def test_what_lies_in_the_folder_is_read(server: FolderServer, target: str, name: str, kind: str) -> None:
    status, headers, body = requested(server, target)
    assert (status, headers["Content-Type"], body) == (200, kind, FILES[name])
    assert headers["Content-Length"] == str(len(FILES[name]))
    assert {key: headers[key] for key in HEADERS} == HEADERS
    assert requested(server, target, "HEAD")[::2] == (200, b"")


@pytest.mark.parametrize(
    "target",
    [
        "/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/%2e%2e%2fsecret.txt", "/%252e%252e/secret.txt",
        "/pictures/../../secret.txt", "/../run-beside/secret.txt", "/..\\secret.txt", "/..%5csecret.txt",
        "/..%c0%afsecret.txt", "/%ff", "/report.html%00.txt", "/etc/passwd", "//etc/passwd", "/%2fetc/passwd",
        "///etc/passwd", "/file:///etc/passwd", "/link.txt", "/linked/secret.txt", "/circle", "/pipe", "/pictures", "/linked/",
        "/nothing", "/" + "x" * 5000, "/~", "/.",
    ],
)  # fmt: skip
def test_what_lies_elsewhere_is_not_there(server: FolderServer, folder: Path, target: str) -> None:
    for asked in (target, target.replace("/etc/passwd", str(folder.parent / "secret.txt"))):
        status, headers, body = requested(server, asked)
        assert status == 404
        assert b"secret" not in body
        assert b"root:" not in body
        assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("target", ["http://example.org/report.html", "report.html", "*", "127.0.0.1:80"])
def test_a_target_is_a_path(server: FolderServer, target: str) -> None:
    assert requested(server, target)[0] == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "MOVE"])
def test_nothing_is_written(server: FolderServer, folder: Path, method: str) -> None:
    before = sorted(path.name for path in folder.rglob("*"))
    status, headers, _ = requested(server, "/report.html", method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert sorted(path.name for path in folder.rglob("*")) == before


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "localhost", "LocalHost:12345"])
def test_this_machine_goes_by_its_names_at_any_port(server: FolderServer, host: str) -> None:
    assert requested(server, "/", host=host)[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "example.org", f"example.org:{80}", "127.0.0.1.example.org", "localhost.example.org", "127.0.0.1@example.org", "",
        "127.0.0.1:80:80", "127.0.0.1 example.org", "127.0.0.2", "0.0.0.0", "127.0.0.1\r\nHost: example.org", "127.0.0.1:\u0661",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_foreign_name_that_leads_here_is_refused(server: FolderServer, host: str, method: str) -> None:
    status, _, body = requested(server, "/", method, host)
    assert status == 403
    assert FILES["report.html"] not in body


def test_a_request_without_a_host_is_refused(server: FolderServer) -> None:
    assert sent(server, b"GET / HTTP/1.1\r\n\r\n")[0] == 403
    assert sent(server, b"GET / HTTP/1.0\r\n\r\n")[0] == 403


def test_it_listens_to_this_machine_alone(server: FolderServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.server_port}/"


def test_who_hangs_up_or_says_nothing_holds_up_nobody(server: FolderServer, capfd: pytest.CaptureFixture[str]) -> None:
    silent = socket.create_connection(("127.0.0.1", server.server_port))
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", server.server_port)) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # reset
            connection.sendall(b"GET /shards/x.safetensors HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert requested(server, "/")[0] == 200
    silent.close()
    assert capfd.readouterr() == ("", "")
