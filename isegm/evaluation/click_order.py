"""The gain and place of each click of a run: the study behind FCA-Net's special treatment of the
first one (CVPR 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from isegm.core.errors import IsegmError
from isegm.core.samples import Sample
from isegm.data.evaluation_sets import EvalDataset
from isegm.evaluation.metrics import mask_iou, steps
from isegm.evaluation.report import markdown
from isegm.evaluation.results import DatasetResult, ObjectRecord
from isegm.utils.depth import squared_distance_inside


@dataclass(frozen=True)
class ClickRank:
    """The clicks with one number, over all objects that have one.

    Attributes:
        number: 1 for the first clicks.
        objects: number of these objects.
        iou: mean IoU after the click.
        gain: mean change of IoU by the click, in [-1, 1]; for the first, relative to the mask that
            the session starts from.
        positive: share of positive clicks.
        centrality: mean over the positive clicks, see ``centrality``; None if there are none.
    """

    number: int
    objects: int
    iou: float
    gain: float
    positive: float
    centrality: float | None


def click_order(result: DatasetResult, dataset: EvalDataset) -> list[ClickRank]:
    """The clicks of a run by their number. Reads every image of the run.

    Raises:
        IsegmError: the run used other data, or one of its objects is missing.
    """
    if result.fingerprint != dataset.fingerprint():
        raise IsegmError(
            f"{result.name}: the run was on data {result.fingerprint[:8]}, but config.yml leads to"
            f" {dataset.fingerprint()[:8]};"
            " evaluate again, or point config.yml to the data of the run"
        )
    places = {id_: index for index, id_ in enumerate(dataset.ids())}
    # By click: IoU, gain, on the object, centrality.
    rows: list[list[tuple[float, float, bool, float | None]]] = []
    for record in result.objects:
        if record.id not in places:
            raise IsegmError(f"{result.name} has no object {record.id!r}")
        for number, row in enumerate(_rows(record, dataset[places[record.id]])):
            if number == len(rows):
                rows.append([])
            rows[number].append(row)
    return [_rank(number, clicks) for number, clicks in enumerate(rows, 1)]


def centrality(gt: np.ndarray, points: Sequence[tuple[int, int]]) -> list[float]:
    """How far inside an object its clicks lie: 1 = at the deepest pixel, almost 0 at the outline, 0
    off the object.

    It is the depth of the click over that of the deepest pixel. Depth is the distance to the
    nearest pixel off the object or outside the image.

    Args:
        gt: ``H W``, 1 = object.
        points: (row, column).
    """
    depth = np.sqrt(squared_distance_inside(gt == 1))
    return [float(depth[point] / depth.max()) for point in points]


def rank_table(ranks: Sequence[ClickRank]) -> str:
    """The ranks as a Markdown table, IoU and shares in per cent."""
    header = ["click", "objects", "mean IoU", "gain", "positive", "centrality"]
    rows = [
        [
            str(rank.number),
            str(rank.objects),
            f"{100 * rank.iou:.1f}",
            f"{100 * rank.gain:+.1f}",
            f"{100 * rank.positive:.0f}",
            "-" if rank.centrality is None else f"{rank.centrality:.2f}",
        ]
        for rank in ranks
    ]
    return "\n".join(markdown(header, rows))


def _rows(record: ObjectRecord, sample: Sample) -> list[tuple[float, float, bool, float | None]]:
    points = [(int(y), int(x)) for y, x, _ in record.clicks]
    central = centrality(sample.gt, points)
    started = 0.0 if sample.init_mask is None else mask_iou(sample.init_mask > 0.5, sample.gt)
    gains = steps(record, started)
    signs = [bool(label) for _, _, label in record.clicks]
    return [
        (iou, float(gain), positive, value if positive else None)
        for iou, gain, positive, value in zip(record.ious, gains, signs, central, strict=True)
    ]


def _rank(number: int, rows: Sequence[tuple[float, float, bool, float | None]]) -> ClickRank:
    ious, gains, signs, central = zip(*rows, strict=True)
    deep = [value for value in central if value is not None]
    return ClickRank(
        number,
        len(rows),
        float(np.mean(ious)),
        float(np.mean(gains)),
        float(np.mean(signs)),
        float(np.mean(deep)) if deep else None,
    )
