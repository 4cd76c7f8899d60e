"""NoC evaluation: many sessions in lock-step.

A window of objects is played at once. While the network answers one half of the window, threads compute IoU and next click for
the other half and decode the objects that come next. Which objects share a forward pass depends only on their order, so a run
can be repeated exactly; the clicks of an object do not depend on its neighbours beyond float rounding.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from tqdm import tqdm

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.rounds import Session
from isegm.core.samples import Sample
from isegm.data.evaluation_sets import EvalDataset
from isegm.evaluation.metrics import mask_iou
from isegm.evaluation.results import DatasetResult, ObjectRecord
from isegm.evaluation.user import next_click
from isegm.inference.predictor import Predictor
from isegm.inference.protocol import Protocol

log = logging.getLogger("isegm")

Observer = Callable[[Sample, Session, list[float]], None]


@dataclass(frozen=True)
class Skipped:
    """An object that could not be evaluated."""

    id: str
    reason: str


class Clock:
    """Seconds spent in ``model``, ``simulation`` and ``io``, summed over threads."""

    def __init__(self) -> None:
        self.seconds = {"model": 0.0, "simulation": 0.0, "io": 0.0}
        self._lock = threading.Lock()

    def add(self, stage: str, since: float) -> float:
        """Book the time from ``since`` (``time.perf_counter()``) until now, and return it."""
        spent = time.perf_counter() - since
        with self._lock:
            self.seconds[stage] += spent
        return spent


@dataclass
class Seat:
    """One object in play. Only the engine below changes it, one stage at a time."""

    index: int
    sample: Sample
    click: Click
    session: Session | None = None
    ious: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    finished: bool = False

    def record(self) -> ObjectRecord:
        clicks = tuple((c.y, c.x, int(c.positive)) for c in self.session.clicks)
        return ObjectRecord(self.sample.id, clicks, tuple(self.ious), tuple(self.seconds))


@dataclass(frozen=True)
class EngineSettings:
    """How the work is laid out; no result depends on it beyond float rounding.

    Attributes:
        window: objects in play at once.
        threads: for decoding and for the simulated user.
        ahead: objects decoded in advance of the window.
    """

    window: int = 16
    threads: int = 2
    ahead: int = 8


def evaluate(
    predictor: Predictor,
    dataset: EvalDataset,
    protocol: Protocol,
    *,
    limit: int | None = None,
    settings: EngineSettings | None = None,
    observer: Observer | None = None,
    progress: bool = False,
) -> DatasetResult:
    """Play the simulated user on every object of a data set.

    Args:
        protocol: already narrowed by ``protocol.for_dataset(dataset.name)``; the predictor must follow it too.
        limit: only the first so many objects.
        observer: called with the sample, the session after a click and the IoUs so far, e.g. to draw pictures.
        progress: show a progress bar.

    Raises:
        IsegmError: no object could be evaluated.
    """
    count = len(dataset) if limit is None else min(limit, len(dataset))
    clock, started = Clock(), time.perf_counter()
    records: dict[int, ObjectRecord] = {}
    skipped: dict[int, Skipped] = {}
    with tqdm(total=count, desc=dataset.name, disable=not progress, unit="obj") as bar:
        for index, outcome in play(predictor, dataset, range(count), protocol, clock, settings, observer):
            (skipped if isinstance(outcome, Skipped) else records)[index] = outcome
            bar.update()
            if records:
                bar.set_postfix(clicks=f"{np.mean([len(r.ious) for r in records.values()]):.2f}", refresh=False)
    if not records:
        reasons = "; ".join(f"{s.id}: {s.reason}" for s in list(skipped.values())[:3])
        raise IsegmError(f"{dataset.name}: none of {count} objects could be evaluated ({reasons or 'the data set is empty'})")
    seconds = {**clock.seconds, "wall": time.perf_counter() - started}
    return DatasetResult(
        dataset.name,
        dataset.fingerprint(),
        tuple(records[i] for i in sorted(records)),
        protocol.thresholds(),
        protocol.max_clicks,
        seconds,
        tuple((skipped[i].id, skipped[i].reason) for i in sorted(skipped)),
    )


def play(
    predictor: Predictor,
    dataset: EvalDataset,
    indices: Sequence[int],
    protocol: Protocol,
    clock: Clock,
    settings: EngineSettings | None = None,
    observer: Observer | None = None,
) -> Iterator[tuple[int, ObjectRecord | Skipped]]:
    """Yield (index, record) for each of ``indices`` as objects finish."""
    settings = settings or EngineSettings()
    with ThreadPoolExecutor(max(1, settings.threads)) as pool:
        arrivals = _arrivals(pool, dataset, indices, protocol, clock, settings)
        lanes: list[list[Seat]] = [[], []]
        pending: list[list[Future[None]]] = [[], []]
        exhausted = False
        while not exhausted or any(lanes):
            for lane, waiting in zip(lanes, pending, strict=True):
                for future in waiting:
                    future.result()
                waiting.clear()
                yield from ((seat.index, seat.record()) for seat in lane if seat.finished)
                lane[:] = [seat for seat in lane if not seat.finished]
                while not exhausted and len(lane) < max(1, settings.window // 2):
                    arrived = next(arrivals, None)
                    if arrived is None:
                        exhausted = True
                    elif isinstance(arrived, Seat):
                        arrived.session = predictor.start(arrived.sample.image, arrived.sample.init_mask)
                        lane.append(arrived)
                    else:
                        yield arrived
                if lane:
                    masks = _answer(predictor, lane, protocol, clock)
                    waiting.extend(
                        pool.submit(_look, seat, mask, protocol, clock, observer)
                        for seat, mask in zip(lane, masks, strict=True)
                    )


def _arrivals(
    pool: ThreadPoolExecutor,
    dataset: EvalDataset,
    indices: Sequence[int],
    protocol: Protocol,
    clock: Clock,
    settings: EngineSettings,
) -> Iterator[Seat | tuple[int, Skipped]]:
    """Decoded objects with their first click, in order, read ahead in threads."""
    queue: deque[Future[Seat | tuple[int, Skipped]]] = deque()
    for index in indices:
        queue.append(pool.submit(_arrive, dataset, index, protocol, clock))
        if len(queue) > settings.ahead:
            yield queue.popleft().result()
    while queue:
        yield queue.popleft().result()


def _arrive(dataset: EvalDataset, index: int, protocol: Protocol, clock: Clock) -> Seat | tuple[int, Skipped]:
    started = time.perf_counter()
    try:
        sample = dataset[index]
    except IsegmError as error:
        name = dataset.ids()[index]
        log.warning("%s: skipping %s: %s", dataset.name, name, error)
        return index, Skipped(name, str(error))
    clock.add("io", started)
    if not (sample.gt == 1).any():
        log.warning("%s: skipping %s: its ground truth has no object pixel", dataset.name, sample.id)
        return index, Skipped(sample.id, "the ground truth has no object pixel")
    started = time.perf_counter()
    if sample.init_mask is None:
        shown = np.zeros(sample.gt.shape, bool)
    else:
        shown = sample.init_mask > protocol.mask_threshold
    click = next_click(shown, sample.gt)
    clock.add("simulation", started)
    return Seat(index, sample, click)


def _answer(predictor: Predictor, lane: list[Seat], protocol: Protocol, clock: Clock) -> list[np.ndarray]:
    started = time.perf_counter()
    sessions = predictor.click_many([seat.session for seat in lane], [seat.click for seat in lane])
    masks = [(session.prob[0, 0] > protocol.mask_threshold).cpu().numpy() for session in sessions]
    spent = clock.add("model", started)
    for seat, session in zip(lane, sessions, strict=True):
        seat.session = session
        seat.seconds.append(spent / len(lane))
    return masks


def _look(seat: Seat, mask: np.ndarray, protocol: Protocol, clock: Clock, observer: Observer | None) -> None:
    """What the simulated user does after an answer: judge it, and click again unless it is good enough."""
    started = time.perf_counter()
    seat.ious.append(mask_iou(mask, seat.sample.gt))
    made = len(seat.ious)
    seat.finished = made >= protocol.max_clicks or (seat.ious[-1] >= protocol.stop_iou and made >= protocol.min_clicks)
    if not seat.finished:
        seat.click = next_click(mask, seat.sample.gt, seat.session.clicks)
    clock.add("simulation", started)
    if observer is not None:
        observer(seat.sample, seat.session, seat.ious)


def default_settings(device: torch.device) -> EngineSettings:
    """A window that fills a GPU; on a CPU batching gains nothing and a small one keeps memory low."""
    if device.type == "cuda":
        return EngineSettings(window=64, threads=8, ahead=64)
    return EngineSettings(window=4, threads=2, ahead=4)
