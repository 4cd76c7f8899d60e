"""Checks of every request before it is handled: the host, the origin, and the size."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException

LOOPBACK = ("localhost", "127.0.0.1", "::1")

HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' blob: data:; object-src 'none';"
        b" frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)

SMALL = 64 << 10  # bytes of a body that is no upload; parsing it blocks all other requests


class Guard:
    """ASGI middleware.

    * The ``Host`` header must name this server, against DNS rebinding.
    * Pages of other origins cannot change anything, even if the browser sends their requests.
    * Bodies are counted while they arrive, whatever ``Content-Length`` says.

    Args:
        hosts: names and addresses of the server besides loopback; ``"*"`` allows any.
        limit: bytes of an upload; other bodies are limited to ``SMALL``.
        uploads: paths whose bodies are uploads, whatever their type.
    """

    def __init__(
        self, app: Any, hosts: Iterable[str], limit: int, uploads: Iterable[str] = ()
    ) -> None:
        self.app, self.limit, self.uploads = app, limit, frozenset(uploads)
        self.hosts = {*LOOPBACK, *(host.lower() for host in hosts)}

    async def __call__(self, scope: dict, receive: Any, send: Any) -> None:
        if scope["type"] != "http":  # startup and shutdown; there are no web sockets
            await self.app(scope, receive, send)
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}

        async def guarded_send(message: dict) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *HEADERS]}
            await send(message)

        if objection := self._objection(scope, headers):
            await _refuse(guarded_send, *objection)
            return
        received, limit = 0, self._limit(scope, headers)

        async def counted_receive() -> dict:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(413, _too_large(limit))
            return message

        await self.app(scope, counted_receive, guarded_send)

    def _objection(self, scope: dict, headers: dict[bytes, str]) -> tuple[int, str, str] | None:
        """Status, code and message if the headers of a request are refused."""
        host, origin = headers.get(b"host"), headers.get(b"origin")
        length = headers.get(b"content-length")
        if not ("*" in self.hosts or _hostname(f"//{host}") in self.hosts):
            message = f"this server does not answer for {host!r:.80}; see --allow-host"
            return 400, "wrong_host", message
        if scope["method"] not in ("GET", "HEAD") and origin is not None and _place(origin) != host:
            return 403, "wrong_origin", "requests from other sites are refused"
        limit = self._limit(scope, headers)
        if length is not None and not (length.isdecimal() and int(length) <= limit):
            return 413, "too_large", _too_large(limit)
        return None

    def _limit(self, scope: dict, headers: dict[bytes, str]) -> int:
        if scope["path"] in self.uploads:
            return self.limit
        upload = headers.get(b"content-type", "").lower().startswith("multipart/form-data")
        return self.limit if upload else min(SMALL, self.limit)


def _too_large(limit: int) -> str:
    return f"the request is too large; at most {limit / (1 << 20):g} MiB are accepted"


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _place(url: str) -> str | None:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return None


async def _refuse(send: Any, status: int, code: str, message: str) -> None:
    body = json.dumps({"error": message, "code": code}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
