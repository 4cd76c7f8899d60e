"""Answers the clicks of a session file again and compares with the masks in it.

The demo also replays sessions (``Workspace.replayed``), to continue them; this is a measurement
with a result file.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from isegm.core.errors import IsegmError
from isegm.core.rounds import Session
from isegm.evaluation.metrics import mask_iou
from isegm.evaluation.results import DatasetResult, ObjectRecord
from isegm.inference.session_file import RecordedObject, SessionFile, answered
from isegm.inference.settings import Answering


def replay(
    answering: Answering,
    file: SessionFile,
    image: np.ndarray,
    mode: str | None = None,
    show: Callable[[RecordedObject, np.ndarray], None] = lambda recorded, mask: None,
) -> DatasetResult:
    """Answer every click again; IoUs are with the recorded masks.

    Recorded settings that the model lacks are ignored.

    Args:
        image: ``H W 3`` uint8, RGB.
        mode: replaces the recorded one.
        show: called with each object that has clicks, and its mask now (``H W`` bool).

    Raises:
        IsegmError: the image does not have the recorded size, the model lacks the mode, or there
            are no clicks.
    """
    if image.shape[:2] != file.size:
        raise IsegmError(
            f"the session was made on an image of {file.size} rows and columns, this one is"
            f" {image.shape[:2]}"
        )
    records = []
    for number, recorded in enumerate(file.objects, 1):
        if recorded.clicks:
            name = f"{number} {recorded.name}"
            records.append(_record(answering, recorded, image, mode, name, show))
    if not records:
        raise IsegmError("the session file holds no click to answer")
    limit = max(len(record.ious) for record in records)
    seconds = {"model": sum(sum(r.seconds) for r in records), "simulation": 0.0, "io": 0.0}
    seconds["wall"] = seconds["model"]
    return DatasetResult("session", file.image_sha256, tuple(records), (0.85, 0.9), limit, seconds)


def _record(
    answering: Answering,
    recorded: RecordedObject,
    image: np.ndarray,
    mode: str | None,
    name: str,
    show: Callable[[RecordedObject, np.ndarray], None],
) -> ObjectRecord:
    settings = answering.adapted(recorded.settings)
    if mode is not None and mode != settings.get("mode", "NoBRS"):
        settings = answering.checked({"mode": mode}, settings)
    gt = recorded.mask.pixels.astype(np.int8)
    masks, ends = [], [time.perf_counter()]

    def note(session: Session) -> None:
        masks.append(answering.shown(session, settings)[1])
        ends.append(time.perf_counter())

    predictor = answering.predictor(settings)
    start = None if recorded.start is None else recorded.start.pixels.astype(np.float32)
    answered(predictor, predictor.start(image, start), recorded.clicks, note)
    show(recorded, masks[-1])
    clicks = tuple((c.y, c.x, int(c.positive)) for c in recorded.clicks)
    ious = tuple(float(mask_iou(mask, gt)) for mask in masks)
    return ObjectRecord(name, clicks, ious, tuple(np.diff(ends).tolist()))
