"""The answers of the API: the state of a session, and errors."""

from __future__ import annotations

import base64
import logging
import time
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from isegm.core.errors import IsegmError
from isegm.demo import exports
from isegm.demo.store import Busy, Crowded, StaleSession
from isegm.demo.values import Cancelled
from isegm.demo.workspace import Workspace
from isegm.inference.session_file import SessionFile

log = logging.getLogger("isegm")

MISSING = "there is no such page"


def state_of(work: Workspace, begun: float) -> dict[str, Any]:
    """What the page shows: the current object with its mask, and the finished ones without."""
    current, session = work.current, work.session()
    mask = work.shown()[1]
    view = None
    if session.view is not None:
        view = {"box": list(session.view), "size": list(session.view_size)}
    state = {
        "image": {
            "name": work.picture.name,
            "height": work.picture.size[0],
            "width": work.picture.size[1],
        },
        "settings": work.settings,
        "objects": [
            _listed(finished.number, finished.recorded.name, finished.recorded.mask.area)
            for finished in work.finished
        ],
        "current": {
            **_listed(current.number, f"object {current.number}", int(mask.sum())),
            "clicks": [
                {"y": c.y, "x": c.x, "positive": c.positive}
                for c in current.clicks[: current.shown]
            ],
            "place": current.place,
            "redo": len(current.clicks) - current.shown,
            "from_mask": current.start is not None,
            "mask": base64.b64encode(exports.transport_png(mask)).decode(),
            "view": view,
            "layers": exports.layer_names(session),
        },
    }
    spent = {
        "model": work.model_seconds,
        "wait": work.wait_seconds,
        "server": time.perf_counter() - begun,
    }
    work.model_seconds = work.wait_seconds = 0.0
    return {**state, "timing": {name: round(1000 * seconds, 2) for name, seconds in spent.items()}}


def _listed(number: int, name: str, area: int) -> dict[str, Any]:
    return {
        "number": number,
        "name": name,
        "colour": list(exports.colour_of(number)),
        "area": area,
    }


def differences(
    file: SessionFile, work: Workspace, checkpoint: dict[str, str], protocol: dict[str, str | None]
) -> str:
    """What has changed since the session was recorded."""
    lacking = work.answering.lacking(recorded.settings for recorded in file.objects)
    notes = file.differences(checkpoint["sha256"], work.sha256, protocol, lacking)
    differing = sum(
        replayed.recorded.mask != recorded.mask
        for replayed, recorded in zip(work.everything(), file.objects, strict=False)
    )
    if differing:
        notes.append(f"{differing} of {len(file.objects)} masks differ from the recorded ones")
    return "; ".join(notes)


def answer_errors(app: FastAPI) -> None:
    """Every error becomes JSON with ``error``, for people, and ``code``, for programs."""
    statuses = (
        (StaleSession, 404, "stale_session"),
        (Crowded, 429, "crowded"),
        (Busy, 503, "busy"),
        (Cancelled, 409, "cancelled"),
        (IsegmError, 400, "invalid"),
    )

    @app.exception_handler(IsegmError)
    async def mendable(request: Request, error: IsegmError) -> JSONResponse:
        status, code = next(
            (status, code) for kind, status, code in statuses if isinstance(error, kind)
        )
        return JSONResponse({"error": str(error), "code": code}, status)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        places = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3]
        )
        return JSONResponse(
            {"error": f"the request is not understood: {places}", "code": "malformed"}, 422
        )

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        message = MISSING if error.detail == "Not Found" else str(error.detail)
        return JSONResponse(
            {"error": message, "code": f"http_{error.status_code}"}, error.status_code
        )

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        log.exception("a request failed: %s %s", request.method, request.url.path)
        return JSONResponse(
            {"error": "the server failed on this request; its log says why", "code": "failed"}, 500
        )
