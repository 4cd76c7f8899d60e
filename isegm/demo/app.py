"""The web application: a page and an API. Every error is JSON with ``error``, for people, and ``code``, for programs."""

from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import anyio
from fastapi import FastAPI, File, HTTPException, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException as StarletteHTTPException

import isegm
from isegm.core.errors import IsegmError
from isegm.demo import exports
from isegm.demo.guard import Guard
from isegm.demo.limits import Limits, checked_image, checked_mask
from isegm.demo.pictures import Pictures
from isegm.demo.store import Busy, SessionStore, StaleSession
from isegm.demo.workspace import Picture, Workspace
from isegm.inference.session_file import SessionFile
from isegm.inference.settings import Answering, as_json

log = logging.getLogger("isegm")

STATIC = Path(__file__).parent / "static"
MISSING = "there is no such page"


@dataclass(frozen=True)
class Served:
    """What the demo runs on.

    Attributes:
        checkpoint: ``name`` and ``sha256``, for session files.
        protocol: ``name`` and ``dataset``, likewise.
        label: of the protocol, to show.
        pictures: what can be opened besides files of the user.
    """

    answering: Answering
    checkpoint: dict[str, str]
    protocol: dict[str, str | None]
    label: str
    device: str
    pictures: Pictures


class ClickBody(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    y: float = Field(allow_inf_nan=False)
    x: float = Field(allow_inf_nan=False)
    positive: bool


class PictureBody(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    name: str = Field(max_length=255)


def create_app(served: Served, limits: Limits, hosts: tuple[str, ...] = ()) -> FastAPI:
    """The application.

    Args:
        hosts: names under which it may be called besides loopback, see ``Guard``.
    """
    store = SessionStore(limits)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_sweep, store)
            yield
            tasks.cancel_scope.cancel()

    app = FastAPI(title="isegm demo", version=isegm.__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.store = store
    app.add_middleware(Guard, hosts=hosts, limit=limits.upload_bytes)
    _answer_errors(app)
    _add_pages(app, served, limits)
    _add_sessions(app, served, store)
    _add_work(app, store)
    _add_exports(app, served, store)
    return app


# --- pages --------------------------------------------------------------------------------------------------------------


def _add_pages(app: FastAPI, served: Served, limits: Limits) -> None:
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    @app.get("/favicon.ico", include_in_schema=False)
    def icon() -> FileResponse:
        return FileResponse(STATIC / "icon.svg")

    @app.get("/api/info")
    def info() -> dict[str, Any]:
        """What is served: checkpoint, method, controls, limits, pictures."""
        return {
            "version": isegm.__version__,
            "method": type(served.answering.model).__name__,
            "checkpoint": served.checkpoint,
            "protocol": served.label,
            "device": served.device,
            "controls": as_json(served.answering.controls),
            "limits": {"upload_bytes": limits.upload_bytes, "pixels": limits.pixels},
            "pictures": served.pictures.names(),
        }


# --- sessions -----------------------------------------------------------------------------------------------------------


def _add_sessions(app: FastAPI, served: Served, store: SessionStore) -> None:
    limits = store.limits

    def opened(data: bytes, name: str) -> dict[str, Any]:
        """A new session on an encoded image."""
        begun = time.perf_counter()
        store.reserve()
        name = Path(name.replace("\\", "/")).name[:200] or "image"
        picture = Picture(name, data, checked_image(data, name, limits.pixels))
        key = store.add(Workspace(served.answering, picture, store.turn, limits.history_bytes))
        with store.use(key) as work:
            return _state(work, begun) | {"id": key}

    @app.post("/api/sessions")
    def open_image(image: Annotated[UploadFile, File()]) -> dict[str, Any]:
        """Open a session on an uploaded image."""
        return opened(image.file.read(), image.filename or "image")

    @app.post("/api/sessions/picture")
    def open_picture(body: PictureBody) -> dict[str, Any]:
        """Open a session on one of the server's pictures."""
        return opened(served.pictures.read(body.name), body.name)

    @app.post("/api/sessions/replay")
    def open_replay(session: Annotated[UploadFile, File()]) -> dict[str, Any]:
        """Open a session on the image in a session file and do again what the file says."""
        begun = time.perf_counter()
        file = SessionFile.loads(session.file.read())
        if file.image is None:
            raise IsegmError(f"the image is not in this session file; open {file.image_name} first, then the session file")
        state = opened(file.image, file.image_name)
        try:
            with store.use(state["id"]) as work:
                work.replay(file)
                return _state(work, begun) | {"id": state["id"], "notice": _differences(file, work, served)}
        except IsegmError:
            store.close(state["id"])
            raise

    @app.post("/api/sessions/{key}/replay")
    def replay(key: str, session: Annotated[UploadFile, File()]) -> dict[str, Any]:
        """Do again, on the image that is open, what a session file says."""
        begun, file = time.perf_counter(), SessionFile.loads(session.file.read())
        with store.use(key) as work:
            work.replay(file)
            return _state(work, begun) | {"notice": _differences(file, work, served)}

    @app.get("/api/sessions/{key}")
    def state(key: str) -> dict[str, Any]:
        with store.use(key) as work:
            return _state(work, time.perf_counter())

    @app.get("/api/sessions/{key}/progress")
    def progress(key: str) -> dict[str, int]:
        """How far a replay is; answered at once."""
        found = store.peek(key).progress
        return {"done": found.done, "total": found.total}

    @app.delete("/api/sessions/{key}")
    @app.post("/api/sessions/{key}/close")  # what a page can still send while it is being left
    def close(key: str) -> dict[str, bool]:
        store.close(key)
        return {"closed": True}


# --- work on an object --------------------------------------------------------------------------------------------------


def _add_work(app: FastAPI, store: SessionStore) -> None:
    @app.post("/api/sessions/{key}/clicks")
    def click(key: str, body: ClickBody) -> dict[str, Any]:
        """Answer a click, in image pixels."""
        begun = time.perf_counter()
        with store.use(key) as work:
            work.click(body.y, body.x, body.positive)
            return _state(work, begun)

    def simple(action: str) -> None:
        def act(key: str) -> dict[str, Any]:
            begun = time.perf_counter()
            with store.use(key) as work:
                getattr(work, action)()
                return _state(work, begun)

        act.__doc__ = getattr(Workspace, action).__doc__
        app.post(f"/api/sessions/{{key}}/{action}", name=action)(act)

    for action in ("undo", "redo", "reset", "finish"):
        simple(action)

    @app.post("/api/sessions/{key}/mask")
    def start_mask(key: str, mask: Annotated[UploadFile, File()]) -> dict[str, Any]:
        """Begin the object in work anew from a mask file."""
        begun, data = time.perf_counter(), mask.file.read()
        with store.use(key) as work:
            work.start_from(checked_mask(data, mask.filename or "mask", work.picture.size))
            return _state(work, begun)

    @app.put("/api/sessions/{key}/settings")
    def configure(key: str, changes: dict[str, Any]) -> dict[str, Any]:
        """Change settings; the clicks are answered again where that matters."""
        begun = time.perf_counter()
        with store.use(key) as work:
            work.configure(changes)
            return _state(work, begun)

    @app.delete("/api/sessions/{key}/objects/{number}")
    def delete(key: str, number: int) -> dict[str, Any]:
        with store.use(key) as work:
            work.delete(number)
            return _state(work, time.perf_counter())


# --- pictures and files out ---------------------------------------------------------------------------------------------


def _add_exports(app: FastAPI, served: Served, store: SessionStore) -> None:
    @app.get("/api/sessions/{key}/image")
    def image(key: str) -> Response:
        """The image as the network sees its pixels, PNG."""
        with store.use(key) as work:
            rgb = work.picture.pixels
        return Response(exports.colour_png(rgb), media_type="image/png")

    @app.get("/api/sessions/{key}/mask.png")
    def current_mask(key: str) -> Response:
        """The mask of the object in work, 0 and 255."""
        with store.use(key) as work:
            return _png(exports.mask_png(work.shown()[1]), f"{exports.stem_of(work.picture.name)}_mask.png")

    @app.get("/api/sessions/{key}/objects/{number}/mask.png")
    def object_mask(key: str, number: int) -> Response:
        """The mask of a finished object, 0 and 255."""
        with store.use(key) as work:
            mask = work.find(number).recorded.mask
            return _png(exports.mask_png(mask), f"{exports.stem_of(work.picture.name)}_{number}.png")

    @app.get("/api/sessions/{key}/layers/{index}.png")
    def layer(key: str, index: int) -> Response:
        """A map of the newest answer, gray; the numbers are those of ``layers`` in the state."""
        with store.use(key) as work:
            session = work.session()
            if not 0 <= index < len(exports.layer_names(session)):
                raise HTTPException(404, "there is no such map")
            return _png(exports.gray_png(exports.layer(session, work.shown()[0], index)), "map.png")

    @app.get("/api/sessions/{key}/export/indexed.png")
    def indexed(key: str) -> Response:
        """All objects in one palette PNG."""
        with store.use(key) as work:
            data = exports.indexed_png(work.picture.size, _some(work))
            return _png(data, f"{exports.stem_of(work.picture.name)}_objects.png")

    @app.get("/api/sessions/{key}/export/masks.zip")
    def masks(key: str) -> Response:
        """A mask of 0 and 255 per object."""
        with store.use(key) as work:
            stem = exports.stem_of(work.picture.name)
            return _file(exports.masks_zip(_some(work), stem), "application/zip", f"{stem}_masks.zip")

    @app.get("/api/sessions/{key}/export/coco.json")
    def coco(key: str) -> Response:
        with store.use(key) as work:
            data = json.dumps(exports.coco(work.picture, _some(work))).encode()
            return _file(data, "application/json", f"{exports.stem_of(work.picture.name)}_coco.json")

    @app.get("/api/sessions/{key}/export/session.json")
    def session_file(key: str, image: bool = True) -> Response:
        """All that was done, to be done again here or by ``scripts/evaluate_model.py --replay``."""
        with store.use(key) as work:
            data = json.dumps(work.record(served.checkpoint, served.protocol, image).as_json()).encode()
            return _file(data, "application/json", f"{exports.stem_of(work.picture.name)}_session.json")


def _some(work: Workspace) -> list[Any]:
    objects = work.objects()
    if not objects:
        raise IsegmError("there is no object to save yet; click on one first")
    return objects


def _png(data: bytes, name: str) -> Response:
    return _file(data, "image/png", name)


def _file(data: bytes, kind: str, name: str) -> Response:
    return Response(data, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'})


# --- state and errors ---------------------------------------------------------------------------------------------------


def _state(work: Workspace, begun: float) -> dict[str, Any]:
    """What the page shows: the object in work with its mask, and the finished ones without."""
    current, session = work.current, work.session()
    mask = work.shown()[1]
    view = None
    if session.view is not None:
        view = {"box": list(session.view), "size": list(session.view_size)}
    state = {
        "image": {"name": work.picture.name, "height": work.picture.size[0], "width": work.picture.size[1]},
        "settings": work.settings,
        "objects": [_listed(found.number, found.recorded.name, found.recorded.mask) for found in work.finished],
        "current": {
            **_listed(current.number, f"object {current.number}", mask),
            "clicks": [{"y": c.y, "x": c.x, "positive": c.positive} for c in current.clicks[: current.shown]],
            "redo": len(current.clicks) - current.shown,
            "from_mask": current.start is not None,
            "mask": base64.b64encode(exports.transport_png(mask)).decode(),
            "view": view,
            "layers": exports.layer_names(session),
        },
    }
    spent = {"model": work.model_seconds, "wait": work.wait_seconds, "server": time.perf_counter() - begun}
    work.model_seconds = work.wait_seconds = 0.0
    return {**state, "timing": {name: round(1000 * seconds, 2) for name, seconds in spent.items()}}


def _listed(number: int, name: str, mask: Any) -> dict[str, Any]:
    return {"number": number, "name": name, "colour": list(exports.colour_of(number)), "area": int(mask.sum())}


def _differences(file: SessionFile, work: Workspace, served: Served) -> str:
    """What is not as it was when the session was recorded."""
    notes = []
    if file.checkpoint["sha256"] != served.checkpoint["sha256"]:
        notes.append(f"it was recorded with another checkpoint ({file.checkpoint['name']})")
    if file.image_sha256 != work.sha256:
        notes.append(f"it was recorded on another image ({file.image_name})")
    differing = sum(
        not (found.recorded.mask == recorded.mask).all() for found, recorded in zip(work.objects(), file.objects, strict=False)
    )
    if differing:
        notes.append(f"{differing} of {len(file.objects)} masks differ from the recorded ones")
    return "; ".join(notes)


def _answer_errors(app: FastAPI) -> None:
    statuses = ((StaleSession, 404, "stale_session"), (Busy, 503, "busy"), (IsegmError, 400, "invalid"))

    @app.exception_handler(IsegmError)
    async def mendable(request: Request, error: IsegmError) -> JSONResponse:
        status, code = next((status, code) for kind, status, code in statuses if isinstance(error, kind))
        return JSONResponse({"error": str(error), "code": code}, status)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        places = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
        return JSONResponse({"error": f"the request is not understood: {places}", "code": "malformed"}, 422)

    @app.exception_handler(StarletteHTTPException)
    async def refused(request: Request, error: StarletteHTTPException) -> JSONResponse:
        message = MISSING if error.detail == "Not Found" else str(error.detail)
        return JSONResponse({"error": message, "code": f"http_{error.status_code}"}, error.status_code)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        log.exception("a request failed: %s %s", request.method, request.url.path)
        return JSONResponse({"error": "the server failed on this request; its log says why", "code": "failed"}, 500)


async def _sweep(store: SessionStore) -> None:
    """Close idle sessions for as long as the server runs."""
    while True:
        await anyio.sleep(min(30.0, max(0.05, store.limits.idle_seconds / 4)))
        await anyio.to_thread.run_sync(store.expire)
