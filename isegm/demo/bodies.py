"""Large JSON bodies, which hold images: read with bounded memory, and handled beside the server's
other work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from isegm.utils.fields import parsed

AT_ONCE = 4  # requests whose bodies are in memory
SECONDS = 60  # for a body to arrive


class Bodies:
    """Answers JSON requests with JSON, a few at once; others wait before they are read. ``Guard``
    limits their size.
    """

    def __init__(self) -> None:
        self._room = anyio.Semaphore(AT_ONCE)

    async def answer(self, request: Request, handle: Callable[[Any], Any]) -> JSONResponse:
        """What ``handle`` makes of the body, in a thread.

        Raises:
            HTTPException: it takes too long to arrive.
            IsegmError: it is no JSON; and what ``handle`` raises.
        """
        async with self._room:
            try:
                with anyio.fail_after(SECONDS):
                    body = await request.body()
            except TimeoutError:
                raise HTTPException(408, f"the request took more than {SECONDS} seconds") from None
            return JSONResponse(await anyio.to_thread.run_sync(lambda: handle(parsed(body))))
