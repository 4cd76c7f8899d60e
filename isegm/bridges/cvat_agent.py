"""Write a function for CVAT's agents: an interactor that runs on your own machine.

    isegm bridge cvat-agent --checkpoint model.safetensors --out function

Then register it and start an agent with CVAT's command line, as printed. For CVAT Online and
Enterprise; for the community version see isegm bridge cvat-nuclio. The steps in CVAT:
docs/how-to/bridges/cvat_agent.md. The agent needs: pip install 'isegm[cvat]'.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isegm.bridges.base import FilesBridge
from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.data.reading import MAX_PIXELS
from isegm.inference.chosen import Chosen, choose
from isegm.inference.click_lists import ClickLists, Keeping, click_at
from isegm.methods.checkpoints import STARTER
from isegm.utils.config import load_config
from isegm.utils.device import pick_device
from isegm.utils.extras import needed

if TYPE_CHECKING:
    from PIL.Image import Image

FILE = "isegm_function.py"
WRITTEN = '''"""An interactor for CVAT's agents, written by: isegm bridge cvat-agent"""

from isegm.bridges.cvat_agent import create as _create


def create(**changes):
    """``-p name=str:value`` of cvat-cli changes: checkpoint, protocol, device."""
    return _create(**{settings!r} | changes)
'''


class CvatAgent(FilesBridge):
    """Writes one Python file, which CVAT's command line imports."""

    def write(self, folder: Path, chosen: Chosen, args: argparse.Namespace) -> str:
        settings = {"checkpoint": str(chosen.path.resolve()), "device": chosen.device}
        if args.protocol:
            settings["protocol"] = args.protocol
        file = folder / FILE
        file.write_text(WRITTEN.format(settings=settings), encoding="utf-8")
        return (
            f"wrote     {file}\n"
            f"register  cvat-cli function create-native isegm --function-file {file}\n"
            f"start     cvat-cli function run-agent ID --function-file {file}"
        )


class Interactor:
    """CVAT's interface of an interaction function. An agent keeps what ``preprocess_image`` returns
    and calls ``detect`` with it for every click.

    CVAT sends the points sorted by their sign, and all of them every time; ``ClickLists`` restores
    the order.
    """

    def __init__(self, lists: ClickLists) -> None:
        self._aa = needed("cvat_sdk.auto_annotation", "cvat", "CVAT's agent")
        self._masks = needed("cvat_sdk.masks", "cvat", "CVAT's agent")
        self._lists = lists
        self.spec = self._aa.InteractionFunctionSpec(min_pos_points=1, min_neg_points=0)

    def preprocess_image(self, context: Any, image: Image) -> np.ndarray:
        """``H W 3`` uint8 RGB."""
        if image.width * image.height > MAX_PIXELS:
            size = f"{image.width} x {image.height}"
            raise IsegmError(f"the image has {size} pixels; at most {MAX_PIXELS:,} are accepted")
        return np.array(image.convert("RGB"))

    def detect(self, context: Any, pp_image: np.ndarray, prompts: Any) -> list[Any]:
        """The object as one mask; nothing if it is empty.

        Raises:
            IsegmError: a box, or a point outside the image.
        """
        if prompts.bounding_box is not None:
            raise IsegmError("this function is asked with points, not with a box")
        size = pp_image.shape[:2]
        positive = _clicks(prompts.pos_points, True, size)
        negative = _clicks(prompts.neg_points, False, size)
        clicks = self._lists.in_order(pp_image, positive, negative)
        mask = self._lists.answer(pp_image, clicks)
        if not mask.any():
            return []
        points = self._masks.encode_mask(mask)
        return [self._aa.InteractionResultShape(type="mask", points=points)]


def _clicks(points: Sequence[Any], positive: bool, size: tuple[int, int]) -> list[Click]:
    return [click_at(x, y, positive, size) for x, y in points]


def create(
    checkpoint: str = STARTER, protocol: str | None = None, device: str | None = None
) -> Interactor:
    """What CVAT's command line calls; also for ``--function-module isegm.bridges.cvat_agent``.

    Args:
        device: e.g. ``"cpu"`` or ``"cuda:1"``; by default the first GPU if there is one.
    """
    import torch

    place = torch.device(device) if device else pick_device()
    chosen = choose(load_config(), checkpoint, place, protocol)
    return Interactor(ClickLists(chosen.answering, Keeping()))


BRIDGE = CvatAgent
