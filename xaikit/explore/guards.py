"""What stands before gradio: requests of this page alone, uploads that are pictures, and a policy for the browser."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import Image

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)
"""Whatever gradio's files ask for elsewhere, a browser does not fetch it."""

POSTED = ("upload", "queue/join", "call/", "cancel", "reset")
"""What this page posts to, below ``/gradio_api/``; gradio has more, such as a recorder."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class OwnPage:
    """Refuses what another site's page sends, whatever the type of its content, and posts to what this page does not use."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and (refusal := _refusal(scope)):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": refusal})
            else:
                await _answer(send, 403, refusal)
        else:
            await self._app(scope, receive, send)


def _refusal(scope: Message) -> str:
    """Why a request is none of this page; "" where it is."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    origin = headers.get("origin")
    if origin is not None and origin.lower() != f"http://{headers.get('host', '')}".lower():
        return "expected a request of this page, got one of another origin"
    if scope.get("method", "GET") in ("GET", "HEAD"):
        return ""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return "expected a request of this page, got one of another site"
    is_used = any(scope["path"].startswith(f"/gradio_api/{path}") for path in POSTED)
    return "" if is_used else "this page posts nothing there"


class PicturesAlone:
    """Removes uploads that no picture is called like, unread, and refuses them."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].rstrip("/").endswith("/upload"):
            await self._app(scope, receive, send)
            return
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        body = b"".join(message.get("body", b"") for message in messages)
        others = [path for path in _uploaded(body) if path.suffix.lower() not in _suffixes()]
        for path in others:
            path.unlink(missing_ok=True)
        if others:
            await _answer(send, 415, f"expected pictures, got {', '.join(path.name for path in others)}")
        for message in () if others else messages:
            await send(message)


def _uploaded(body: bytes) -> list[Path]:
    """The files of gradio's answer, a list of their paths."""
    with suppress(ValueError):
        paths = json.loads(body)
        if isinstance(paths, list):
            return [Path(path) for path in paths if isinstance(path, str)]
    return []


def _suffixes() -> frozenset[str]:
    return frozenset(Image.registered_extensions())


async def _answer(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


class ContentPolicy:
    """Adds :data:`POLICY` to every answer."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", POLICY.encode())]
            await send(message)

        await self._app(scope, receive, with_policy)
