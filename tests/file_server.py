"""A server of files on this machine that behaves as badly as it is asked to."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from isegm.zoo.transfer import Patience

QUICK = Patience(connect=2, silence=0.5, tries=2, pause=0.01)
Behaviour = Callable[["Handler", bytes], None]


class FileServer(ThreadingHTTPServer):
    """Serves ``files`` by path, with ETags and ranges.

    Attributes:
        files: path to content.
        plan: path to behaviours; each request takes the first one, and the rest behave well.
        asked: (path, Range header or "") of every request.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.plan: dict[str, list[Behaviour]] = defaultdict(list)
        self.asked: list[tuple[str, str]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """Clients that break off are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Range", "")))
        content, plan = self.server.files.get(self.path), self.server.plan[self.path]
        if plan:
            plan.pop(0)(self, content or b"")
        elif content is None:
            self.send_error(404)
        else:
            whole(self, content)

    def log_message(self, *_: object) -> None:
        pass


def whole(handler: Handler, content: bytes) -> None:
    """As a good server: from where the client asks, if the file is the one it asks for."""
    asked, tag = handler.headers.get("Range", ""), f'"{len(content)}-{hash(content)}"'
    if handler.headers.get("If-Range", tag) != tag:
        asked = ""
    start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
    if start >= len(content) and asked:
        handler.send_response(416)
        handler.send_header("Content-Range", f"bytes */{len(content)}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    handler.send_response(206 if asked else 200)
    handler.send_header("ETag", tag)
    handler.send_header("Content-Length", str(len(content) - start))
    if asked:
        extent = f"bytes {start}-{len(content) - 1}/{len(content)}"
        handler.send_header("Content-Range", extent)
    handler.end_headers()
    handler.wfile.write(content[start:])


def ignoring_ranges(handler: Handler, content: bytes) -> None:
    """The whole file, whatever part is asked for."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def broken(after: int, pause: float = 0) -> Behaviour:
    """Announces the whole file, sends so many bytes, waits, and hangs up."""

    def behave(handler: Handler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("ETag", f'"{len(content)}-{hash(content)}"')
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[:after])
        handler.wfile.flush()
        time.sleep(pause)
        handler.close_connection = True

    return behave


def status(code: int) -> Behaviour:
    return lambda handler, _: handler.send_error(code)


def moved(to: str) -> Behaviour:
    def behave(handler: Handler, _: bytes) -> None:
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return behave


def web_page(handler: Handler, _: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html; charset=utf-8")
    handler.end_headers()
    handler.wfile.write(b"<html>Sign in</html>")


def called_compressed(handler: Handler, content: bytes) -> None:
    """The file as it is, as if it were the compressed form of another one."""
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def slow(pieces: int, pause: float) -> Behaviour:
    """The whole file, piece by piece."""

    def behave(handler: Handler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("ETag", f'"{len(content)}-{hash(content)}"')
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        size = -(-len(content) // pieces)
        for start in range(0, len(content), size):
            handler.wfile.write(content[start : start + size])
            handler.wfile.flush()
            time.sleep(pause)

    return behave


@contextmanager
def serving() -> Iterator[FileServer]:
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
