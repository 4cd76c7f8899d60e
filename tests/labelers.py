"""What the tests of all bridges share: a network that shows whether its feedback is fresh, and the
steps of a person who labels one object.
"""

from __future__ import annotations

import argparse
import base64
import io

import numpy as np
import torch
from PIL import Image

from isegm.cli.commands import parser_of
from isegm.core.rounds import Prediction, Round
from isegm.inference.protocol import Protocol
from isegm.inference.settings import Answering
from isegm.methods.base import ClickModel

SIZE = (120, 160)
ON, MORE, OFF = (40, 60), (40, 85), (40, 70)  # x, y of the clicks of ``labeled``
RADIUS = 20
WHOLE = Protocol("ritm", 1, view={"rule": "zoom_in", "size": 160, "skip_clicks": 99})


class Newest(ClickModel):
    """Adds a disc around the newest click to the previous mask, or takes it away.

    Nothing but the previous mask remembers earlier clicks: with a stale or empty one, the answer to
    the second click lacks the first.
    """

    def forward(self, round_: Round) -> Prediction:
        height, width = round_.image.shape[-2:]
        y, x = torch.arange(height)[:, None], torch.arange(width)[None]
        row, column = round_.clicks.yx[0, -1]
        near = ((y - row) ** 2 + (x - column) ** 2).sqrt() <= RADIUS
        before = round_.prev_prob[0, 0] > 0.5
        after = before | near if round_.clicks.label[0, -1] == 1 else before & ~near
        return Prediction(torch.where(after, 9.0, -9.0)[None, None])


def answering() -> Answering:
    return Answering(Newest(), WHOLE)


def photo() -> np.ndarray:
    """``H W 3`` uint8."""
    return np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def png(image: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


def data_uri(image: np.ndarray) -> str:
    return "data:image/png;base64," + base64.b64encode(png(image)).decode()


def disc(x: float, y: float) -> np.ndarray:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return (rows - y) ** 2 + (columns - x) ** 2 <= RADIUS**2


def after(*clicks: tuple[tuple[int, int], bool]) -> np.ndarray:
    """The mask that ``Newest`` must arrive at: ``((x, y), on the object?)`` in order."""
    mask = np.zeros(SIZE, bool)
    for (x, y), positive in clicks:
        mask = mask | disc(x, y) if positive else mask & ~disc(x, y)
    return mask


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))


def parsed(*words: str) -> argparse.Namespace:
    """The arguments of ``isegm bridge ...``."""
    return parser_of("bridge").parse_args(words)
