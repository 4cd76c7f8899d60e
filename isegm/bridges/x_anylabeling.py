"""Answer X-AnyLabeling: its "Remote-Server" model asks this server.

    isegm bridge x-anylabeling --checkpoint model.safetensors
    isegm bridge x-anylabeling --host 0.0.0.0 --token SECRET

The server is that of isegm demo, with the additional routes /v1/models and /v1/predict. In
X-AnyLabeling, choose the model Remote-Server with this server's address as its URL:
docs/how-to/bridges/x_anylabeling.md. Needs: pip install 'isegm[demo]'.
"""

from __future__ import annotations

import argparse
import hmac
import os
from typing import TYPE_CHECKING, Any

from isegm.bridges.base import ServerBridge, keeping_of
from isegm.core.clicks import Click
from isegm.core.errors import IsegmError, unknown
from isegm.data.reading import image_in_text
from isegm.inference.click_lists import ClickLists, click_at
from isegm.utils.extras import needed
from isegm.utils.fields import field
from isegm.utils.outlines import outlines

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

    from isegm.demo.app import Served, Tool
    from isegm.demo.store import SessionStore

MODEL = "isegm"
OBJECT = "AUTOLABEL_OBJECT"  # what the tool calls an object that is not finished
FINENESS = 0.001  # of polygons, see ``outlines``
COARSEST = 0.1
WIDGETS = (
    ("button_add_point", None),
    ("button_remove_point", None),
    ("button_clear", None),
    ("button_finish_object", None),
    ("mask_fineness_slider", 10),  # 0.001
    ("mask_fineness_value_label", None),
    ("toggle_preserve_existing_annotations", True),  # otherwise a refusal clears the drawing
)


class XAnyLabeling(ServerBridge):
    """The remote server of X-AnyLabeling. Every request holds the image and all points of the
    current object, in the order in which they were made.
    """

    port = 8000

    def add_flags(self, parser: argparse.ArgumentParser) -> None:
        super().add_flags(parser)
        parser.add_argument(
            "--token", help="refuse requests whose header Token is another (X-AnyLabeling: API key)"
        )

    def tool(self, args: argparse.Namespace) -> Tool:
        app = needed("isegm.demo.app", "demo", "this bridge")
        token = args.token or os.environ.get("ISEGM_TOKEN", "")

        def add_routes(app: FastAPI, served: Served, store: SessionStore) -> None:
            _add_routes(app, Answers(served, store), token)

        return app.Tool(add_routes, ("/v1/predict",))


class Answers:
    """The bodies of requests, answered."""

    def __init__(self, served: Served, store: SessionStore) -> None:
        self._limits = store.limits
        self._lists = ClickLists(served.answering, keeping_of(store.limits), store.turn)
        name = served.checkpoint["name"].rsplit(".", 1)[0]
        self.models = {
            MODEL: {
                "display_name": f"isegm: {name}",
                "widgets": [{"name": name, "value": value} for name, value in WIDGETS],
                "params": {"checkpoint": served.checkpoint["sha256"]},
                "batch_processing_mode": None,  # without points there is nothing to answer
            }
        }

    def predict(self, body: Any) -> dict[str, Any]:
        """The object after all points, as polygons.

        Raises:
            IsegmError: the request is not understood, or asks for what does not exist.
        """
        model, params = field(body, "model", str), field(body, "params", dict, {})
        if model not in self.models:
            raise unknown("model", model, self.models)
        if (task := field(params, "current_task", str, None)) is not None:
            raise unknown("task", task, ())
        fineness = field(params, "epsilon_factor", float, FINENESS)
        if not 0 <= fineness <= COARSEST:
            raise IsegmError(f"epsilon_factor {fineness:g}: expected 0 to {COARSEST}")
        marks = field(params, "marks", list, [])
        pixels = image_in_text(field(body, "image", str), "image", self._limits.pixels)
        clicks = [_click(mark, pixels.shape[:2]) for mark in marks]
        polygons = outlines(self._lists.answer(pixels, clicks), fineness) if clicks else []
        shapes = [
            {
                "label": OBJECT,
                "shape_type": "polygon",
                "points": [*polygon.tolist(), polygon[0].tolist()],  # the tool closes it so
            }
            for polygon in polygons
        ]
        return {"success": True, "data": {"shapes": shapes, "replace": False}}


def _click(mark: Any, size: tuple[int, int]) -> Click:
    kind, data = field(mark, "type", str), field(mark, "data", list)
    if kind != "point":
        raise IsegmError(f"mark {kind:.40}: this model is asked with points only")
    label = field(mark, "label", float)
    if len(data) != 2 or label not in (0, 1):
        raise IsegmError("a point needs data [x, y] and a label, 1 on the object or 0 off it")
    return click_at(*data, label == 1, size)


def _add_routes(app: FastAPI, answers: Answers, token: str) -> None:
    bodies = needed("isegm.demo.bodies", "demo", "this bridge").Bodies()
    responses = needed("starlette.responses", "demo", "this bridge")
    exceptions = needed("starlette.exceptions", "demo", "this bridge")

    def check(request: Request) -> None:
        given = request.headers.get("token", "")
        if token and not hmac.compare_digest(given.encode(), token.encode()):
            raise exceptions.HTTPException(401, "the header Token is wrong; set the API key")

    async def models(request: Request) -> Response:
        check(request)
        return responses.JSONResponse({"success": True, "data": answers.models})

    async def predict(request: Request) -> Response:
        check(request)
        return await bodies.answer(request, answers.predict)

    async def health(request: Request) -> Response:
        return responses.JSONResponse({"status": "healthy", "models_loaded": len(answers.models)})

    app.add_route("/v1/models", models, methods=["GET"])
    app.add_route("/v1/predict", predict, methods=["POST"])
    app.add_route("/health", health, methods=["GET"])


BRIDGE = XAnyLabeling
