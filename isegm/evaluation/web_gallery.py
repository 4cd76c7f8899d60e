"""The objects that a report shows: best, worst, most different; and their photographs."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.data.evaluation_sets import EvalDataset
from isegm.evaluation.comparison import pair
from isegm.evaluation.metrics import read
from isegm.evaluation.report import lacking, name_of
from isegm.evaluation.results import DatasetResult, ObjectRecord, RunResult
from isegm.evaluation.statistics import image_count, per_object
from isegm.evaluation.web_curves import sparkline
from isegm.utils.vis import draw_clicks, to_width

PICTURE = 300  # columns
QUALITY = 80
TRUTH = (255, 255, 255)


@dataclass(frozen=True)
class Shown:
    """One object as one run played it.

    Attributes:
        run: its place among the runs.
        value: the metric of the object, as text.
        curve: an SVG element.
        picture: a ``data:`` address, empty without pictures.
    """

    run: int
    value: str
    final: str
    curve: str
    picture: str


@dataclass(frozen=True)
class Item:
    """One object of the gallery, as every run that has it played it."""

    id: str
    shown: tuple[Shown, ...]


@dataclass(frozen=True)
class Shelf:
    """A row of the gallery; ``note`` says of which run, or between which."""

    title: str
    note: str
    items: tuple[Item, ...]


def shelves(
    runs: Sequence[RunResult],
    results: dict[int, DatasetResult],
    metric: str,
    count: int,
    dataset: EvalDataset | None,
) -> list[Shelf]:
    """The best and the worst objects of the first run, and those on which the last one differs
    most from it.

    Args:
        results: of one data set, by the place of the run.
        metric: what "best" means.
        count: objects per shelf.
        dataset: where the photographs are from; None to show none.

    Raises:
        IsegmError: a photograph cannot be read, or an object of a run is not in the data set.
    """
    first, *others = sorted(results)
    result = results[first]
    if lacking(result, metric):
        return []
    reading = read(metric)
    values = per_object(result, metric)
    # Among equals the IoU of the whole curve decides.
    tie = [-sum(o.ious) / len(o.ious) for o in result.objects]
    order = np.lexsort((tie, -values if reading.metric.higher else values))
    order = [int(i) for i in order if not np.isnan(values[i])]
    few = min(count, (len(order) + 1) // 2)
    own = f"of {name_of(runs[first])}"
    picked = {
        "Best": (own, [result.objects[i].id for i in order[:few]]),
        "Worst": (own, [result.objects[i].id for i in order[::-1][:few]]),
    }
    last = others[-1] if others else first
    several = bool(others) and image_count(result) > 1  # a difference needs an interval
    if several and not lacking(results[last], metric):
        found = pair((runs[first], runs[last]), (result, results[last]), metric, count)
        note = f"between {name_of(runs[first])} and {name_of(runs[last])}"
        picked["Most different"] = (note, [id_ for id_, _, _ in found.extremes])
    ids = dict.fromkeys(id_ for _, listed in picked.values() for id_ in listed)
    made = {id_: _item(id_, results, metric, dataset) for id_ in ids}
    return [
        Shelf(title, note, tuple(made[i] for i in listed))
        for title, (note, listed) in picked.items()
        if listed
    ]


def same_data(result: DatasetResult, dataset: EvalDataset) -> bool:
    """Whether a data set of this machine is the one of a run."""
    return result.fingerprint == dataset.fingerprint()


def _item(
    id_: str, results: dict[int, DatasetResult], metric: str, dataset: EvalDataset | None
) -> Item:
    shown = []
    for run, result in sorted(results.items()):
        record = next((o for o in result.objects if o.id == id_), None)
        if record is not None:
            shown.append(_shown(run, result, record, metric, dataset))
    return Item(id_, tuple(shown))


def _shown(
    run: int, result: DatasetResult, record: ObjectRecord, metric: str, dataset: EvalDataset | None
) -> Shown:
    reading = read(metric)
    total, count = reading.metric.parts(record, reading.at, result.max_clicks)
    value = reading.of_one(total / count) if count else "-"
    picture = "" if dataset is None else _picture(dataset, record)
    curve = sparkline(record.ious, result.max_clicks, run)
    return Shown(run, value, f"{100 * record.ious[-1]:.1f}", curve, picture)


def _picture(dataset: EvalDataset, record: ObjectRecord) -> str:
    """A photograph with the outline of the truth and all clicks, as a ``data:`` address."""
    ids = dataset.ids()
    if record.id not in ids:
        raise IsegmError(f"{dataset.name} has no object {record.id!r}; it is another set")
    sample = dataset[ids.index(record.id)]
    scale = PICTURE / sample.image.shape[1]
    image = to_width(sample.image, PICTURE)
    object_ = to_width(255 * (sample.gt == 1).astype(np.uint8), PICTURE) > 127
    outline, _ = cv2.findContours(object_.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    image = cv2.drawContours(np.ascontiguousarray(image), outline, -1, TRUTH, 1)
    clicks = [
        Click((y + 0.5) * scale - 0.5, (x + 0.5) * scale - 0.5, bool(label))
        for y, x, label in record.clicks
    ]
    drawn = cv2.cvtColor(draw_clicks(image, clicks, radius=3), cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
