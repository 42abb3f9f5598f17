"""What is refused before gradio sees it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from xaikit.explore.guards import OwnPage, PicturesAlone

HOST = {"host": "127.0.0.1:7860"}


def status(guard: Any, path: str, headers: dict[str, str], method: str = "POST", answer: bytes = b"[]") -> int:
    """Of what an application behind a guard answers to a request."""
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": answer})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    named = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": named}
    asyncio.run(guard(app)(scope, receive, send))
    return int(sent[0]["status"])


@pytest.mark.parametrize("path", ["/gradio_api/queue/join", "/gradio_api/upload", "/gradio_api/call/explain"])
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1:7860", "sec-fetch-site": "same-origin"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://localhost:8000"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site", "content-type": "text/plain"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_only_its_own_page_posts(path: str, headers: dict[str, str], expected: int) -> None:
    assert status(OwnPage, path, {**HOST, **headers}) == expected


def test_what_the_page_does_not_use_is_not_posted_to() -> None:
    assert status(OwnPage, "/gradio_api/process_recording", HOST) == 403
    assert status(OwnPage, "/gradio_api/component_server", HOST) == 403
    assert status(OwnPage, "/gradio_api/queue/data", HOST, "GET") == 200
    assert status(OwnPage, "/", {**HOST, "sec-fetch-site": "cross-site"}, "GET") == 200  # a link leads here


def test_an_upload_that_is_called_like_no_picture_is_removed(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.png", "x.py", "noname")]
    for file in files:
        file.write_text("f = print")
    paths = [str(file) for file in files]
    assert status(PicturesAlone, "/gradio_api/upload", HOST, answer=json.dumps(paths).encode()) == 415
    assert [file.exists() for file in files] == [True, False, False]
    assert status(PicturesAlone, "/gradio_api/upload", HOST, answer=json.dumps(paths[:1]).encode()) == 200
    assert status(PicturesAlone, "/gradio_api/upload", HOST, answer=b"too large") == 200
