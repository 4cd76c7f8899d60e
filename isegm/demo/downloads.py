"""Pictures and files out of the web application."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, HTTPException, Response

from isegm.core.errors import IsegmError
from isegm.demo import exports
from isegm.demo.store import SessionStore
from isegm.demo.workspace import Workspace

if TYPE_CHECKING:
    from isegm.demo.app import Served


def add_downloads(app: FastAPI, served: Served, store: SessionStore) -> None:
    """Routes that change nothing."""

    @app.get("/api/sessions/{key}/image")
    def image(key: str) -> Response:
        """The decoded image, PNG."""
        with store.use(key) as work:
            rgb = work.picture.pixels
        return Response(exports.colour_png(rgb), media_type="image/png")

    @app.get("/api/sessions/{key}/mask.png")
    def current_mask(key: str) -> Response:
        """The mask of the current object, 0 and 255."""
        with store.use(key) as work:
            stem = exports.stem_of(work.picture.name)
            return _png(exports.mask_png(work.shown()[1]), f"{stem}_mask.png")

    @app.get("/api/sessions/{key}/objects/{number}/mask.png")
    def object_mask(key: str, number: int) -> Response:
        """The mask of a finished object, 0 and 255."""
        with store.use(key) as work:
            mask, stem = work.find(number).recorded.mask, exports.stem_of(work.picture.name)
            return _png(exports.mask_png(mask.pixels), f"{stem}_{number}.png")

    @app.get("/api/sessions/{key}/layers/{index}.png")
    def layer(key: str, index: int) -> Response:
        """A map of the newest answer, gray; ``index`` counts the ``layers`` of the state."""
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
            data = exports.masks_zip(_some(work), stem)
            return _file(data, "application/zip", f"{stem}_masks.zip")

    @app.get("/api/sessions/{key}/export/coco.json")
    def coco(key: str) -> Response:
        with store.use(key) as work:
            stem = exports.stem_of(work.picture.name)
            data = json.dumps(exports.coco(work.picture, _some(work))).encode()
            return _file(data, "application/json", f"{stem}_coco.json")

    @app.get("/api/sessions/{key}/export/session.json")
    def session_file(key: str, image: bool = True) -> Response:
        """A file of the whole session, to be replayed here or by ``isegm evaluate --replay``."""
        with store.use(key) as work:
            stem = exports.stem_of(work.picture.name)
            file = work.record(served.checkpoint, served.protocol, image)
            data = json.dumps(file.as_json()).encode()
            return _file(data, "application/json", f"{stem}_session.json")


def _some(work: Workspace) -> list[Any]:
    objects = work.objects()
    if not objects:
        raise IsegmError("there is no object to save yet; click on one first")
    return objects


def _png(data: bytes, name: str) -> Response:
    return _file(data, "image/png", name)


def _file(data: bytes, kind: str, name: str) -> Response:
    return Response(
        data, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'}
    )
