"""The web application: a page and an API."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import anyio
from fastapi import FastAPI, File, HTTPException, Response, UploadFile
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field

import isegm
from isegm.core.errors import IsegmError
from isegm.data.reading import checked_image, stored_size
from isegm.demo import exports
from isegm.demo.answers import answer_errors, differences, state_of
from isegm.demo.downloads import add_downloads
from isegm.demo.guard import Guard
from isegm.demo.limits import OPENING, Limits, checked_mask
from isegm.demo.pictures import Pictures
from isegm.demo.store import SessionStore
from isegm.demo.values import Picture
from isegm.demo.workspace import Workspace
from isegm.inference.controls import as_json
from isegm.inference.session_file import (
    SessionFile,
    described,
    mask_bytes,
    parsed,
)
from isegm.inference.settings import Answering

STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True)
class Served:
    """What the demo serves.

    Attributes:
        checkpoint: ``name`` and ``sha256``, for session files.
        protocol: ``name``, ``dataset`` and ``label``, for session files.
        pictures: images that can be opened besides the user's own files.
    """

    answering: Answering
    checkpoint: dict[str, str]
    protocol: dict[str, str | None]
    device: str
    pictures: Pictures


@dataclass(frozen=True)
class Tool:
    """Routes of another program's protocol, which the same server answers.

    Attributes:
        add_routes: called with the application, what it serves, and the open sessions, whose
            ``turn`` is held while the network works.
        uploads: paths whose JSON bodies may be as large as uploads, because they hold images.
    """

    add_routes: Callable[[FastAPI, Served, SessionStore], None]
    uploads: tuple[str, ...] = ()


class ClickBody(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    y: float = Field(allow_inf_nan=False)
    x: float = Field(allow_inf_nan=False)
    positive: bool


class PictureBody(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    name: str = Field(max_length=255)


def create_app(
    served: Served, limits: Limits, hosts: tuple[str, ...] = (), tool: Tool | None = None
) -> FastAPI:
    """The application.

    Args:
        hosts: names of the server besides loopback, see ``Guard``.
        tool: a labeling tool that is answered as well.
    """
    store = SessionStore(limits)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = limits.threads
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_sweep, store)
            yield
            tasks.cancel_scope.cancel()

    app = FastAPI(
        title="isegm demo",
        version=isegm.__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.store = store
    uploads = tool.uploads if tool else ()
    app.add_middleware(Guard, hosts=hosts, limit=limits.upload_bytes, uploads=uploads)
    answer_errors(app)
    _add_pages(app, served, store)
    _add_sessions(app, served, store)
    _add_work(app, store)
    add_downloads(app, served, store)
    if tool:
        tool.add_routes(app, served, store)
    return app


# --- pages ----------------------------------------------------------------------------------------


def _add_pages(app: FastAPI, served: Served, store: SessionStore) -> None:
    limits = store.limits
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    @app.get("/favicon.ico", include_in_schema=False)
    def icon() -> FileResponse:
        return FileResponse(STATIC / "icon.svg")

    @app.get("/api/pictures/{index}.jpg")
    def thumbnail(index: int) -> Response:
        """A small version of one of the server's pictures."""
        names = served.pictures.names()
        if not 0 <= index < len(names):
            raise HTTPException(404, "there is no such picture")
        data = served.pictures.read(names[index])
        rows, columns = stored_size(data, names[index], limits.pixels)
        with store.room(OPENING * rows * columns):
            image = checked_image(data, names[index], limits.pixels)
        return Response(exports.thumbnail(image), media_type="image/jpeg")

    @app.get("/api/info")
    def info() -> dict[str, Any]:
        """What is served: checkpoint, method, controls, limits, pictures."""
        return {
            "version": isegm.__version__,
            "method": served.answering.model.title,
            "checkpoint": served.checkpoint,
            "protocol": described(served.protocol),
            "device": served.device,
            "controls": as_json(served.answering.controls),
            "limits": {"upload_bytes": limits.upload_bytes, "pixels": limits.pixels},
            "pictures": served.pictures.names(),
        }


# --- sessions -------------------------------------------------------------------------------------


def _add_sessions(app: FastAPI, served: Served, store: SessionStore) -> None:
    limits = store.limits

    def opened(data: bytes, name: str, instead: str | None = None) -> dict[str, Any]:
        """Open a session on an encoded image; it may replace another one."""
        begun = time.perf_counter()
        store.reserve(instead)
        name = Path(name.replace("\\", "/")).name[:200] or "image"
        size = limits.session_bytes(*stored_size(data, name, limits.pixels), len(data))
        with store.room(size, instead):
            picture = Picture(name, data, checked_image(data, name, limits.pixels))
            work = Workspace(served.answering, picture, store.turn, limits.history_bytes)
            key = store.add(work, instead, size)
        with store.use(key) as work:
            return state_of(work, begun) | {"id": key}

    def replayed(key: str, file: SessionFile, begun: float) -> dict[str, Any]:
        """Replace the contents of a session by those of a session file."""
        with store.replaying(key) as go_on:
            done = store.peek(key).replayed(file, go_on)
            with store.use(key) as work:
                work.take_over(done)
                return state_of(work, begun) | {
                    "notice": differences(file, work, served.checkpoint, served.protocol)
                }

    @app.post("/api/sessions")
    def open_image(
        image: Annotated[UploadFile, File()], instead: str | None = None
    ) -> dict[str, Any]:
        """Open a session on an uploaded image; if that succeeds, close the session ``instead``."""
        return opened(image.file.read(), image.filename or "image", instead)

    @app.post("/api/sessions/picture")
    def open_picture(body: PictureBody, instead: str | None = None) -> dict[str, Any]:
        """Open a session on one of the server's pictures; ``instead`` as for an uploaded one."""
        return opened(served.pictures.read(body.name), body.name, instead)

    @app.post("/api/sessions/replay")
    def open_replay(session: Annotated[UploadFile, File()]) -> dict[str, Any]:
        """Open a session on the image in a session file and replay the file."""
        begun = time.perf_counter()
        store.reserve()
        data = parsed(session.file.read())
        with store.room(mask_bytes(data)):
            file = SessionFile.from_json(data)
            if file.image is None:
                raise IsegmError(
                    f"the image is not in this session file; open {file.image_name} first, then the"
                    " session file"
                )
            state = opened(file.image, file.image_name)
            try:
                return replayed(state["id"], file, begun) | {"id": state["id"]}
            except Exception:
                store.close(state["id"])
                raise

    @app.post("/api/sessions/{key}/replay")
    def replay(key: str, session: Annotated[UploadFile, File()]) -> dict[str, Any]:
        """Replay a session file on the open image."""
        begun = time.perf_counter()
        store.peek(key)
        data = parsed(session.file.read())
        with store.room(mask_bytes(data)):
            return replayed(key, SessionFile.from_json(data), begun)

    @app.get("/api/sessions/{key}")
    def state(key: str) -> dict[str, Any]:
        with store.use(key) as work:
            return state_of(work, time.perf_counter())

    @app.get("/api/sessions/{key}/progress")
    def progress(key: str) -> dict[str, int]:
        """How many clicks of the current request are answered; does not wait for it."""
        job = store.peek(key).progress
        return {"done": job.done, "total": job.total}

    @app.post("/api/sessions/{key}/cancel")
    def cancel(key: str) -> dict[str, bool]:
        """End the current request; it returns the code ``cancelled``, and nothing changes."""
        store.peek(key).cancel()
        return {"cancelled": True}

    @app.delete("/api/sessions/{key}")
    @app.post("/api/sessions/{key}/close")  # a page that is being left can only send a POST
    def close(key: str) -> dict[str, bool]:
        store.close(key)
        return {"closed": True}


# --- work on an object ----------------------------------------------------------------------------


def _add_work(app: FastAPI, store: SessionStore) -> None:
    @app.post("/api/sessions/{key}/clicks")
    def click(key: str, body: ClickBody) -> dict[str, Any]:
        """Answer a click, in image pixels."""
        begun = time.perf_counter()
        with store.use(key) as work:
            work.click(body.y, body.x, body.positive)
            return state_of(work, begun)

    def simple(action: str) -> None:
        def act(key: str) -> dict[str, Any]:
            begun = time.perf_counter()
            with store.use(key) as work:
                getattr(work, action)()
                return state_of(work, begun)

        act.__doc__ = getattr(Workspace, action).__doc__
        app.post(f"/api/sessions/{{key}}/{action}", name=action)(act)

    for action in ("undo", "redo", "reset", "finish"):
        simple(action)

    @app.post("/api/sessions/{key}/mask")
    def start_mask(key: str, mask: Annotated[UploadFile, File()]) -> dict[str, Any]:
        """Start the current object again from a mask file."""
        begun, data = time.perf_counter(), mask.file.read()
        with store.use(key) as work:
            work.start_from(checked_mask(data, mask.filename or "mask", work.picture.size))
            return state_of(work, begun)

    @app.put("/api/sessions/{key}/settings")
    def configure(key: str, changes: dict[str, Any]) -> dict[str, Any]:
        """Change settings; the clicks are answered again if that matters."""
        begun = time.perf_counter()
        with store.use(key) as work:
            work.configure(changes)
            return state_of(work, begun)

    @app.post("/api/sessions/{key}/objects/{number}/reopen")
    def reopen(key: str, number: int) -> dict[str, Any]:
        """Edit a finished object again."""
        begun = time.perf_counter()
        with store.use(key) as work:
            work.reopen(number)
            return state_of(work, begun)

    @app.delete("/api/sessions/{key}/objects/{number}")
    def delete(key: str, number: int) -> dict[str, Any]:
        with store.use(key) as work:
            work.delete(number)
            return state_of(work, time.perf_counter())


async def _sweep(store: SessionStore) -> None:
    """Close idle sessions for as long as the server runs."""
    while True:
        await anyio.sleep(min(30.0, max(0.05, store.limits.idle_seconds / 4)))
        await anyio.to_thread.run_sync(store.expire)
