"""The predictor of exported networks: a session in, a session out, with numpy alone.

It takes the same steps as ``isegm.inference.predictor.Predictor``, and the view rules are the very
same. The mirror image is averaged inside the exported graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from isegm.core import boxes
from isegm.core.click import Click
from isegm.core.errors import IsegmError
from isegm.inference.merge import merged_mask
from isegm.inference.onnx.files import OnnxModel
from isegm.inference.onnx.resampling import paste, resize
from isegm.inference.onnx.session import ArraySession
from isegm.inference.protocol import Protocol, load_protocol
from isegm.inference.views.base import View
from isegm.utils.focus import THRESHOLD, changed_box, place_in_view

ONE_PASS = "NoBRS"  # the mode of one pass of the network
PROGRESSIVE_AFTER = 10  # clicks, after which a second look changes nothing outside its crop


class OnnxPredictor:
    """Answers clicks with an exported network, one at a time. It holds no session.

    Args:
        model: the network.
        protocol: chooses the views and says what is done with answers; its ``mirror`` is that of
            the exported graph.

    Raises:
        IsegmError: the protocol asks for extra passes.
    """

    def __init__(self, model: OnnxModel, protocol: Protocol) -> None:
        if protocol.cfr:
            raise IsegmError(
                "an exported network answers each click in one pass; for extra passes (cfr) use the"
                " checkpoint that it was exported from"
            )
        self.model, self.protocol, self.rule = model, protocol, protocol.rule

    def start(self, image: np.ndarray, prob: np.ndarray | None = None) -> ArraySession:
        """Open a session.

        Args:
            image: RGB, ``H W 3`` uint8.
            prob: ``H W`` float32 in [0, 1], a mask to start from.

        Raises:
            IsegmError: the mask has another size than the image.
        """
        pixels = np.ascontiguousarray(image.transpose(2, 0, 1))[None]
        if prob is None:
            shown = np.zeros((1, 1, *image.shape[:2]), np.float32)
        elif prob.shape != image.shape[:2]:
            raise IsegmError(
                f"the mask to start from is {prob.shape}, the image {image.shape[:2]}: sizes must"
                " match"
            )
        else:
            shown = prob.astype(np.float32)[None, None]
        return ArraySession(pixels, shown, from_mask=prob is not None)

    def click(self, session: ArraySession, click: Click) -> ArraySession:
        """Answer one more click inside the image. The old session stays as it is."""
        session = session.plain or session
        clicks, rule = (*session.clicks, click), self.rule
        view = rule.view(session, clicks)
        after = self._answer(session, clicks, view)
        for _ in range(1, rule.first_passes if len(clicks) == 1 else 1):
            after = self._answer(replace(session, prev_prob=after.feedback), clicks, view)
        if rule.looks_again(after):
            # The new view is chosen by the new answer, while the network is shown the old one.
            seen = replace(after, prev_prob=session.feedback)
            after = self._answer(seen, clicks, rule.view(seen, clicks))
        return after

    def _answer(self, session: ArraySession, clicks: Sequence[Click], view: View) -> ArraySession:
        image = boxes.cut(session.image, view.source)[0]
        image = boxes.resize_bytes(image, view.size) if view.as_bytes else image
        mask = boxes.cut(session.feedback, view.source)[0]
        layers = [resize(x, view.size, view.aligned) for x in (_pixels(image), mask)]
        layers = np.ascontiguousarray(np.concatenate(layers))[None]
        points = _points(clicks, view.source, view.size, self.rule.inner_clicks)
        fresh = (session.view, session.view_size) != (view.source, view.size)
        kept = (
            self.model.encode(layers[:, :3], points) if fresh or not session.kept else session.kept
        )
        before = session.answered or session.prev_prob is not None  # the latter: a second pass
        before = before or (session.from_mask and self.model.initial_mask)
        given = {**kept, **points, "prev_mask": layers[:, 3:], "has_prev_mask": _flag(before)}
        given |= self._state(session, given, fresh)
        made = self.model.decode(given)
        logits = made["logits"][0]

        def in_image(x: np.ndarray, around: np.ndarray | None = None) -> np.ndarray:
            # A published flaw: the map takes the size of the source in between.
            if view.target != view.source:
                x = resize(x, (view.source.height, view.source.width))
            height, width = session.image.shape[-2:]
            return paste(x, view.target, height, width, view.aligned, around)[None]

        if view.logits:
            prob = _sigmoid(in_image(logits))
        else:
            prob = in_image(_sigmoid(logits), session.prob[0] if view.keeps else None)

        follow = self.rule.follow
        after = replace(
            session,
            clicks=tuple(clicks),
            prob=prob,
            prev_prob=None,
            box=view.held,
            view=view.source,
            view_size=view.size,
            followed=None if follow is None else in_image(made[follow][0]),
            kept=kept if self.model.encodes else {},
            state={name: made[f"next_state_{name}"] for name in self.model.state},
        )
        after = self._refined(session, after, made) if self.model.refines else after
        return self._merged(session, after)

    def _state(
        self, session: ArraySession, given: dict[str, np.ndarray], fresh: bool
    ) -> dict[str, np.ndarray]:
        """The decoder's state: that of the session, or an empty one of the same kind."""
        if not self.model.state:
            return {}
        if session.state and not fresh:
            return {f"state_{n}": x for n, x in session.state.items()} | {"has_state": _flag(True)}
        context = given["context"]
        blank = np.zeros((len(context), 1, *context.shape[-2:]), np.float32)
        return {f"state_{name}": blank for name in self.model.state} | {"has_state": _flag(False)}

    def _refined(
        self, before: ArraySession, after: ArraySession, made: dict[str, np.ndarray]
    ) -> ArraySession:
        """The second look of methods that have one: what their ``refine_many`` does."""
        size, click = made["logits"].shape[-2:], after.clicks[-1]
        frame = after.box or boxes.whole(*after.image.shape[-2:])
        old, new = before.feedback[0, 0] > THRESHOLD, _logit(after.prob[0, 0]) > THRESHOLD
        expansion = self.protocol.refine.get("expansion", 1.4)
        box = changed_box(old, new, (int(click.y), int(click.x)), frame, expansion)
        if box is None:
            return after
        crop = resize(_pixels(boxes.cut(after.image, box)[0]), size)
        logits = self.model.look_closer(
            {
                "crop": np.ascontiguousarray(crop)[None],
                **_points(after.clicks, box, size, False),
                "coarse_logits": made["logits"],
                "features": made["features"],
                "place": np.array([place_in_view(box, frame, size)], np.float32),
            }
        )
        progressive = len(after.clicks) > PROGRESSIVE_AFTER
        base = _logit(before.feedback if progressive else after.prob)
        boxes.cut(base, box)[:] = resize(logits[0], (box.height, box.width))
        return replace(after, prob=_sigmoid(base))

    def _merged(self, before: ArraySession, after: ArraySession) -> ArraySession:
        """The change of the newest click alone, in a session that started from a mask; see
        ``ProgressiveMerge``.
        """
        if self.protocol.merge == "replace" or not after.from_mask:
            return after
        click, threshold = after.clicks[-1], self.protocol.mask_threshold
        old, new = (session.prob[0, 0] > threshold for session in (before, after))
        guarded = self.protocol.merge == "guarded"
        merged = merged_mask(old, new, int(click.y), int(click.x), guarded)
        prob = merged.astype(np.float32)[None, None]
        return replace(after, prob=prob, prev_prob=after.feedback)


def exported_network(
    path: str | Path, mode: str, device: Any, protocol: str | Protocol | None
) -> tuple[OnnxModel, str, Protocol, Callable[[Protocol], OnnxPredictor]]:
    """The network in exported files, its device and protocol, and what makes its predictor;
    arguments are those of ``isegm.Engine``.

    Raises:
        IsegmError: a mode, device or protocol that an exported network does not have.
    """
    if mode != ONE_PASS:
        raise IsegmError(
            f"mode {mode!r}: an exported network answers in one pass; use {ONE_PASS}, or the"
            " checkpoint that it was exported from"
        )
    if str(device or "cpu") != "cpu":
        raise IsegmError(f"device {str(device)!r}: an exported network runs on the CPU; use 'cpu'")
    model = OnnxModel(path)
    if protocol is None:
        protocol = model.protocol
    elif not isinstance(protocol, Protocol):
        protocol = load_protocol(protocol)
    if protocol.mirror != model.protocol.mirror:
        wanted = "with" if protocol.mirror else "without"
        raise IsegmError(
            f"protocol {protocol.name} answers {wanted} the mirror image, which is decided at"
            f" export; export the network again with --protocol {protocol.name}"
        )
    return model, "cpu", protocol.for_users(), partial(OnnxPredictor, model)


def _pixels(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float32) / np.float32(255)


def _points(
    clicks: Sequence[Click], box: boxes.Box, size: tuple[int, int], inner: bool
) -> dict[str, np.ndarray]:
    """Clicks in pixels of a view, as the graphs take them; see ``Clicks.crop`` and ``inner``."""
    yx = np.array([(click.y, click.x) for click in clicks], np.float64)
    label = np.array([int(click.positive) for click in clicks], np.int64)
    yx = np.array(size) * (yx - (box.top, box.left)) / (box.height, box.width)
    if inner:
        label = np.where(((yx > 0) & (yx < size)).all(1), label, -1)
    return {"point_coords": np.ascontiguousarray(yx[None, :, ::-1]), "point_labels": label[None]}


def _flag(value: bool) -> np.ndarray:
    return np.array([value], np.float32)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # the exponential of a large number is infinite, as it should
        return 1 / (1 + np.exp(-logits))


def _logit(prob: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(prob / (1 - prob))
