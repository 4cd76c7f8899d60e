"""Servers of bridges. Without the extra ``demo`` only bridges that write files can be tested."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from labelers import answering, parsed

from isegm.bridges.base import BRIDGES, ServerBridge

if TYPE_CHECKING:
    from fastapi.testclient import TestClient


@pytest.fixture
def server() -> Iterator[Callable[..., TestClient]]:
    """A client of ``isegm bridge NAME ...``, answered by ``Newest``; keywords are limits."""
    pytest.importorskip("fastapi")
    from demo_server import app_of, connected

    with ExitStack() as opened:

        def start(*words: str, **limits: int) -> TestClient:
            args = parsed(*words)
            bridge: ServerBridge = BRIDGES.make({"bridge": words[0].replace("-", "_")})
            app = app_of(tool=bridge.tool(args), answering=answering(), **limits)
            return opened.enter_context(connected(app))

        yield start
