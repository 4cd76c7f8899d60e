"""A demo server for tests: its network needs no training, and its masks are easy to tell."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from isegm.core.clicks import NEGATIVE, POSITIVE
from isegm.core.rounds import Prediction, Round
from isegm.demo.app import Served, Tool, create_app
from isegm.demo.limits import Limits
from isegm.demo.pictures import PaintedPictures, Pictures
from isegm.inference.protocol import Protocol
from isegm.inference.settings import Answering
from isegm.methods.base import ClickModel

RADIUS = 20
VIEW = {"rule": "zoom_in", "size": 96, "min_crop": 64, "skip_clicks": 2}
PROTOCOL = Protocol("ritm", 1, view=VIEW)
ADDRESS = "http://127.0.0.1:8080"


class Discs(ClickModel):
    """Discs around object clicks and what was there before, without the discs around background
    clicks.
    """

    shown_maps = ("attention",)

    def forward(self, round_: Round) -> Prediction:
        height, width = round_.image.shape[-2:]
        y, x = torch.arange(height)[:, None], torch.arange(width)[None]

        def reach(label: int) -> torch.Tensor:
            chosen = [
                p
                for p, given in zip(round_.clicks.yx[0], round_.clicks.label[0], strict=True)
                if given == label
            ]
            near = [RADIUS - ((y - p[0]) ** 2 + (x - p[1]) ** 2).sqrt() for p in chosen]
            return torch.stack(near).amax(0).float() if near else torch.full((height, width), -99.0)

        before = torch.where(round_.prev_prob[0, 0] > 0.5, 5.0, -99.0)
        logits = torch.minimum(torch.maximum(reach(POSITIVE), before), -reach(NEGATIVE))[None, None]
        return Prediction(logits, {"attention": reach(POSITIVE).sigmoid()[None, None]})


def app_of(
    pictures: Pictures | None = None,
    tool: Tool | None = None,
    answering: Answering | None = None,
    **limits: Any,
) -> FastAPI:
    """The application with ``Discs``, or another network, and such limits."""
    checkpoint, protocol = (
        {"name": "discs.safetensors", "sha256": "d" * 64},
        {"name": "ritm", "dataset": None, "label": PROTOCOL.label},
    )
    answering = answering or Answering(Discs(), PROTOCOL)
    served = Served(answering, checkpoint, protocol, "cpu", pictures or PaintedPictures(3))
    return create_app(served, Limits(**limits), tool=tool)


def connected(app: FastAPI) -> TestClient:
    return TestClient(app, base_url=ADDRESS)


def png(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


def photo_of(seed: int, height: int = 120, width: int = 160) -> bytes:
    return png(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))
