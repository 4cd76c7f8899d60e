"""Prediction in three lines, for programs that only use a trained model.

engine = isegm.Engine()
image = cv2.imread("photo.jpg")
mask = engine.predict([120, 30], [80, 200], [True, False], image)
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isegm.core.click import Click
from isegm.core.errors import IsegmError, unknown
from isegm.inference.onnx.names import is_exported
from isegm.inference.protocol import USER_THRESHOLD, Protocol
from isegm.inference.sis import StructuralIntegrity, says_nothing

if TYPE_CHECKING:  # an exported network answers without torch
    import torch

    from isegm.core.rounds import Session
    from isegm.inference.onnx.session import ArraySession
    from isegm.methods.base import ClickModel

log = logging.getLogger("isegm")

CHANNELS = ("BGR", "RGB")


@dataclass(frozen=True, eq=False)
class EngineSession:
    """One image, one object and the clicks on it so far. ``Engine.start`` and ``Engine.click`` make
    sessions; none is ever changed.

    Attributes:
        state: the predictor's session.
        previous: the session before the last click, None before the first.
    """

    state: Session | ArraySession
    previous: EngineSession | None = None

    @property
    def prob(self) -> np.ndarray:
        """``H W`` float32 in [0, 1], read-only; zeros before the first click."""
        prob = self.state.prob[0, 0]
        prob = (prob if isinstance(prob, np.ndarray) else prob.float().cpu().numpy()).view()
        prob.flags.writeable = False
        return prob

    @property
    def mask(self) -> np.ndarray:
        """``H W`` bool: where the probability is above 0.5. Each call makes an array of its own."""
        return self.prob > USER_THRESHOLD

    @property
    def clicks(self) -> tuple[Click, ...]:
        return self.state.clicks

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the image."""
        return tuple(self.state.prob.shape[-2:])

    def undo(self) -> EngineSession:
        """The session before the last click.

        Raises:
            IsegmError: there was no click.
        """
        if self.previous is None:
            raise IsegmError("there is no click to undo in this session")
        return self.previous


class Engine:
    """Answers clicks with the model of a checkpoint. It holds no session, so one engine serves any
    number of sessions and threads.

    Args:
        checkpoint: a file, written by this package or published with a method; a name under
            WEIGHTS_PATH of config.yml; an exported network, a file that ends in .onnx or the folder
            of several, which is run by onnxruntime and needs no torch; or a model of others, e.g.
            ``"foreign:sam-base"``, ``"classical:graph_cut"`` or ``"plugin:my_model.py"``. By
            default the starter, the network that comes with the package.
        mode: how clicks are answered, one of ``isegm.inference.modes.MODES``. The default is one
            pass of the network; some others optimize the answer until it agrees with the clicks.
        device: e.g. ``"cpu"`` or ``"cuda:1"``; by default the first GPU if there is one. An
            exported network runs on the CPU.
        protocol: how the image is shown to the network (zoom-in, mirror averaging): a file in
            configs/eval, or a ``Protocol``. By default the method's own published one; that of an
            exported network is in its file.
        sis: 4 or 8 to keep only the parts of a mask that are connected with a positive click, see
            ``StructuralIntegrity``; None to follow the protocol. Without a positive click the mask
            is then empty, and a warning is logged.
        cfr: extra passes per click on the network's own answer, or ``"adaptive"``, see ``Cascade``;
            None to follow the protocol.

    Attributes:
        model, protocol, device: as the arguments say.

    Raises:
        IsegmError: an unknown checkpoint, mode, device, protocol or connectivity; names list the
            nearest. Extra passes with a network that takes no previous mask.
    """

    def __init__(
        self,
        checkpoint: str | Path = "starter",
        mode: str = "NoBRS",
        device: torch.device | str | None = None,
        protocol: str | Protocol | None = None,
        sis: int | None = None,
        cfr: int | str | None = None,
    ) -> None:
        # Each half is imported only if it is needed: torch here, onnxruntime there.
        if is_exported(checkpoint):
            from isegm.inference.onnx.predictor import exported_network as opened
        else:
            from isegm.inference.networks import network as opened
        made = opened(checkpoint, mode, device, protocol)
        self.model, self.device, protocol, predictor = made
        if cfr is not None:
            from isegm.inference.cascade import cascade_settings

            protocol = protocol.changed(cfr=cascade_settings(cfr))
        self.protocol = protocol if sis is None else protocol.changed(sis=sis)
        # The caller chooses the threshold of masks, so they are post-processed here.
        self._predictor = predictor(replace(self.protocol, sis=None))

    def predict(
        self,
        x_coord: Iterable[float],
        y_coord: Iterable[float],
        is_pos: Iterable[bool],
        image: np.ndarray,
        threshold: float = USER_THRESHOLD,
        channels: str = "BGR",
    ) -> np.ndarray:
        """The mask after a list of clicks: ``H W`` uint8, 255 = object, 0 = background.

        Every call answers all clicks again; ``start`` and ``click`` answer one at a time.

        Args:
            x_coord, y_coord: columns and rows of the clicks, in image pixels; the centre of the
                first pixel is (0, 0).
            is_pos: whether each click is on the object (True, 1) or off it (False, 0).
            image: ``H W 3`` uint8.
            threshold: a pixel belongs to the object if its probability is above this.
            channels: the order of the image's channels, ``"BGR"`` as OpenCV reads them, or
                ``"RGB"``.

        Raises:
            IsegmError: lists of unequal length, a click outside the image, an unknown label, an
                image of another shape or type, or a threshold outside [0, 1].

        # differs from the original: the published engine of this signature takes RGB while its
        example passes what OpenCV reads, and answers an empty list with a mask of W x H.
        """
        if not (isinstance(threshold, Real) and 0 <= threshold <= 1):
            raise IsegmError(f"threshold={threshold!r}: expected a probability from 0 to 1")
        xs, ys = _listed("x_coord", x_coord), _listed("y_coord", y_coord)
        labels = _listed("is_pos", is_pos)
        if not len(xs) == len(ys) == len(labels):
            raise IsegmError(
                f"x_coord, y_coord and is_pos must be equally long, got {len(xs)}, {len(ys)} and"
                f" {len(labels)} entries"
            )
        session = self.start(image, channels)
        # All clicks are checked before the first is answered.
        made = zip(xs, ys, labels, strict=True)
        for click in [_click(y, x, label, session.size) for x, y, label in made]:
            session = self._answer(session, click)
        shown = EngineSession(self._shown(session.state, threshold))
        return 255 * (shown.prob > threshold).astype(np.uint8)

    def start(
        self, image: np.ndarray, channels: str = "BGR", prob: np.ndarray | None = None
    ) -> EngineSession:
        """Open a session.

        Args:
            image: ``H W 3`` uint8; it is copied.
            channels: as in ``predict``.
            prob: ``H W``, a mask (bool) or probability map in [0, 1] to start from; not every
                method uses it.

        Raises:
            IsegmError: the image or the map has another shape or type.
        """
        pixels = _rgb(image, channels)
        return EngineSession(self._predictor.start(pixels, None if prob is None else _prob(prob)))

    def click(self, session: EngineSession, y: float, x: float, positive: bool) -> EngineSession:
        """The session after one more click, at row ``y`` and column ``x``.

        Raises:
            IsegmError: the click lies outside the image, or ``positive`` is none of True, False, 1
                and 0.
        """
        if not isinstance(session, EngineSession):
            raise IsegmError(
                f"expected a session made by Engine.start, got {type(session).__name__}"
            )
        return self._answer(session, _click(y, x, positive, session.size))

    def _answer(self, session: EngineSession, click: Click) -> EngineSession:
        shown = self._shown(self._predictor.click(session.state, click), USER_THRESHOLD)
        if says_nothing(shown):
            log.warning(
                "the mask is empty: there is no positive click yet, and only what is connected with"
                " one is kept (sis)"
            )
        return EngineSession(shown, session)

    def _shown(self, state: Session, threshold: float) -> Session:
        """What the user sees of an answer."""
        if self.protocol.sis is None:
            return state
        if hasattr(state, "connected"):
            return state.connected(self.protocol.sis, threshold)
        return StructuralIntegrity(self.protocol.sis, threshold)(state)


def load(
    checkpoint: str | Path = "starter", device: torch.device | str | None = None
) -> ClickModel:
    """The network of a checkpoint, in eval mode; the arguments are those of ``Engine``.

    Raises:
        IsegmError: an unknown checkpoint or device.
    """
    from isegm.inference.networks import loaded_network

    return loaded_network(checkpoint, device)


def _rgb(image: np.ndarray, channels: str) -> np.ndarray:
    if channels not in CHANNELS:
        raise unknown("order of channels", channels, CHANNELS)
    if not isinstance(image, np.ndarray):
        hint = "; cv2.imread returns None for a file it cannot read" if image is None else ""
        raise IsegmError(
            "expected an image array of shape (H, W, 3) and type uint8, got"
            f" {type(image).__name__}{hint}"
        )
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise IsegmError(
            f"expected an image of shape (H, W, 3) and type uint8, got {image.shape} of"
            f" {image.dtype}"
        )
    return (image[:, :, ::-1] if channels == "BGR" else image).copy()


def _prob(prob: np.ndarray) -> np.ndarray:
    prob = np.array(prob, np.float32)
    if prob.ndim != 2 or not ((prob >= 0) & (prob <= 1)).all():
        raise IsegmError(
            "a mask to start from must be H x W with values from 0 to 1, got the shape"
            f" {prob.shape}"
        )
    return prob


def _listed(name: str, values: Iterable[Any]) -> list[Any]:
    try:
        return list(values)
    except TypeError:
        raise IsegmError(
            f"{name} must be a list, with one entry per click, got {type(values).__name__}"
        ) from None


def _click(y: Any, x: Any, label: Any, size: tuple[int, int]) -> Click:
    if not all(isinstance(value, Real) and math.isfinite(value) for value in (y, x)):
        raise IsegmError(
            f"click (x={x!r}, y={y!r}): expected two numbers, a column and a row in image pixels"
        )
    if not (isinstance(label, (Real, np.bool_)) and label in (0, 1)):
        raise IsegmError(
            f"click (x={x}, y={y}): the label must be True or 1 (object), or False or 0"
            f" (background), got {label!r}"
        )
    if not (0 <= y < size[0] and 0 <= x < size[1]):
        raise IsegmError(
            f"click (x={x}, y={y}) lies outside the image of {size[0]} rows (y) and {size[1]}"
            " columns (x)"
        )
    return Click(float(y), float(x), bool(label))
