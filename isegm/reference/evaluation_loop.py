"""The evaluation loop of the reference code bases: slow and obviously right.

One object, one click, one forward pass at a time; images are decoded inside the loop; contiguous
float32 tensors; click maps and distance transforms over whole images. ``LockStep`` is measured
against this, for exactness and speed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.rounds import Session
from isegm.core.samples import Sample
from isegm.data.evaluation_sets import EvalDataset
from isegm.evaluation.lockstep import Clock, Skipped, first_look, is_finished
from isegm.evaluation.metrics import mask_iou
from isegm.evaluation.results import ObjectRecord
from isegm.evaluation.users.base import Look, User, clicks_to_try, user_of
from isegm.evaluation.users.centre import Centre
from isegm.inference.predictor import Predictor
from isegm.inference.protocol import Protocol


def play_sequentially(
    predictor: Predictor,
    dataset: EvalDataset,
    protocol: Protocol,
    indices: Sequence[int],
    clock: Clock,
) -> Iterator[tuple[int, ObjectRecord | Skipped]]:
    """Yield (index, outcome) for each of ``indices``, in order.

    Args:
        predictor: of a ``slow_twin``, to compute click maps the slow way, too.
    """
    loop = Loop(predictor, slow_user(user_of(protocol)), protocol, clock)
    for index in indices:
        started = time.perf_counter()
        try:
            sample = dataset[index]
        except IsegmError as error:
            yield index, Skipped(dataset.ids()[index], str(error))
            continue
        clock.add("io", started)
        if not (sample.gt == 1).any():
            yield index, Skipped(sample.id, "the ground truth has no object pixel")
            continue
        yield index, loop.play(sample, first_look(sample, protocol, dataset.name))


@dataclass(frozen=True)
class Loop:
    """Plays one object after another."""

    predictor: Predictor
    user: User
    protocol: Protocol
    clock: Clock

    def play(self, sample: Sample, look: Look) -> ObjectRecord | Skipped:
        """Play one object from its first look on."""
        image = torch.from_numpy(sample.image).permute(2, 0, 1)[None].float().div(255).contiguous()
        session = self.predictor.start(image, sample.init_mask)
        try:
            clicks = self._clicks(look)
        except IsegmError as error:
            return Skipped(sample.id, str(error))
        made: list[Click] = []
        undone: list[int] = []
        ious: list[float] = []
        seconds: list[float] = []
        while True:
            tried = [self._try(session, click, sample) for click in clicks]
            best = self.user.choose([iou for *_, iou in tried])
            after, mask, spent, iou = tried[best]
            made.append(clicks[best])
            ious.append(iou)
            seconds.append(spent)
            if is_finished(ious, self.protocol):
                break
            if self.user.takes_back(look):
                undone.append(len(made) - 1)
                look = replace(look, undone=(*look.undone, made[-1]))
            else:
                session, look = after, replace(look, mask=mask, session=after)
            clicks = self._clicks(look)
        clicked = tuple((c.y, c.x, int(c.positive)) for c in made)
        return ObjectRecord(
            sample.id,
            clicked,
            tuple(ious),
            tuple(seconds),
            undone=tuple(undone),
            picture=sample.picture,
        )

    def _clicks(self, look: Look) -> tuple[Click, ...]:
        started = time.perf_counter()
        clicks = clicks_to_try(self.user, look)
        self.clock.add("simulation", started)
        return clicks

    def _try(
        self, session: Session, click: Click, sample: Sample
    ) -> tuple[Session, np.ndarray, float, float]:
        """Answer a click: the session after it, the mask, the seconds of model time, the IoU."""
        started = time.perf_counter()
        after = self.predictor.click(session, click)
        mask = (after.prob[0, 0] > self.protocol.mask_threshold).cpu().numpy()
        spent = self.clock.add("model", started)
        started = time.perf_counter()
        iou = mask_iou(mask, sample.gt)
        self.clock.add("simulation", started)
        return after, mask, spent, iou


def slow_user(user: User) -> User:
    """The slow twin of a user, or the user itself if it has none."""
    return TWINS.get(type(user), user)


@dataclass(frozen=True)
class WholeImageCentre(User):
    """The twin of ``Centre``, see ``whole_image_click``."""

    def click(self, look: Look) -> Click:
        return whole_image_click(look.mask, look.gt, look.clicks)


def whole_image_click(mask: np.ndarray, gt: np.ndarray, clicked: Sequence[Click] = ()) -> Click:
    """``centre.next_click`` with two distance transforms of the whole image, padded by a pixel."""
    depths = []
    for error in ((gt == 1) & ~mask, (gt == 0) & mask):
        padded = np.pad(error.astype(np.uint8), 1)
        depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
        squared = np.rint(depth * depth)  # whole numbers: see depth.squared_distance_inside
        for click in clicked:
            squared[int(click.y), int(click.x)] = 0
        depths.append(squared)
    positive = bool(depths[0].max() > depths[1].max())
    depth = depths[0] if positive else depths[1]
    y, x = (int(v) for v in np.argwhere(depth == depth.max())[0])
    return Click(y, x, positive)


TWINS: dict[type, User] = {Centre: WholeImageCentre()}
