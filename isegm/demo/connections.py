"""Limits on connections: how many there are, and how long one may take to ask for something."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol


def limited(most: int, seconds: float) -> type[asyncio.Protocol]:
    """A protocol for ``uvicorn.run(http=...)``.

    Args:
        most: connections at once; further ones are closed at once, so that file descriptors remain
            for those that are open.
        seconds: for the first line and the headers of a request, from its first byte on, or from
            the start of the connection.
    """

    class Limited(AutoHTTPProtocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._late: asyncio.TimerHandle | None = None
            if len(self.connections) > most:
                transport.abort()
            else:
                self._await_headers()

        def data_received(self, data: bytes) -> None:
            if self._late is None and self._idle():
                self._await_headers()
            super().data_received(data)
            if not self._idle():
                self._stop_waiting()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def _idle(self) -> bool:
            """Whether no request has arrived, or the last one is answered."""
            return self.cycle is None or self.cycle.response_complete

        def _await_headers(self) -> None:
            self._late = self.loop.call_later(seconds, self._give_up)

        def _stop_waiting(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None

        def _give_up(self) -> None:
            self._late = None
            if self._idle():
                self.transport.close()

    return Limited
