"""Lock-step evaluation: many objects are played at once, and those whose views have the same size
share forward passes.

Objects wait in groups by view size. ``LockStep`` always answers the fullest group, while threads
look at the answers before (IoU, next click, next view) and decode the objects that come next. On a
CPU a few passes of one view each run side by side, which uses its cores better than sharing out
every layer. Which objects share a pass depends only on their order, so a run can be repeated
exactly, and the clicks of an object do not depend on its neighbours beyond float rounding.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.rounds import Session
from isegm.core.samples import Sample
from isegm.data.evaluation_sets import EvalDataset
from isegm.evaluation.judge import Judge, ObjectShape
from isegm.evaluation.results import ObjectRecord
from isegm.evaluation.users.base import Look, user_of
from isegm.inference.predictor import Predictor, Request
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


@dataclass(frozen=True)
class LockStepSettings:
    """How the work is laid out; no result depends on it beyond float rounding.

    Attributes:
        window: objects in play at once. Their images are kept as bytes and their answers as floats:
            7 bytes per pixel, and a byte per pixel of the object's box.
        threads: for decoding and for the simulated user.
        ahead: objects decoded in advance.
        passes: forward passes at a time, among which the cores of a CPU are shared out.
    """

    window: int = 16
    threads: int = 2
    ahead: int = 8
    passes: int = 1

    @classmethod
    def suited_to(cls, device: torch.device) -> LockStepSettings:
        """A window that fills the passes of a GPU; a CPU gains nothing from batches, and a small
        one keeps memory low.
        """
        if device.type == "cuda":
            return cls(window=1024, threads=8, ahead=64)
        # Every pass is driven by Python, of which only one thread runs at a time: more than a few
        # would wait for one another.
        passes = min(4, torch.get_num_threads())
        return cls(window=4 + 4 * passes, threads=2, ahead=8, passes=passes)


@dataclass
class Seat:
    """One object in play. Only ``LockStep`` changes it, one stage at a time."""

    index: int
    sample: Sample
    click: Click
    judge: Judge
    shape: ObjectShape
    session: Session | None = None
    request: Request | None = None
    ious: list[float] = field(default_factory=list)
    bious: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    finished: bool = False

    def record(self) -> ObjectRecord:
        clicks = tuple((c.y, c.x, int(c.positive)) for c in self.session.clicks)
        played = tuple(self.ious), tuple(self.seconds), tuple(self.bious)
        return ObjectRecord(self.sample.id, clicks, *played, self.shape)


class LockStep:
    """Plays objects of one data set under one protocol; ``run`` may be used once.

    Args:
        observer: called from a thread with the sample, the session after a click and the IoUs so
            far.
    """

    def __init__(
        self,
        predictor: Predictor,
        dataset: EvalDataset,
        protocol: Protocol,
        clock: Clock,
        settings: LockStepSettings | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.predictor, self.dataset, self.protocol, self.clock = (
            predictor,
            dataset,
            protocol,
            clock,
        )
        self.user = user_of(protocol)
        self.settings = settings or LockStepSettings.suited_to(predictor.device)
        self.observer = observer

    def run(self, indices: Sequence[int]) -> Iterator[tuple[int, ObjectRecord | Skipped]]:
        """Yield (index, outcome) for each of ``indices``, as objects finish."""
        with ThreadPoolExecutor(max(1, self.settings.threads)) as pool, self._lanes() as lanes:
            arrivals = self._arrivals(pool, indices)
            waiting: dict[Hashable, list[Seat]] = {}
            passing: deque[Future[list[Future[Seat]]]] = deque()
            looking: deque[list[Future[Seat]]] = deque()
            playing, exhausted = 0, False
            while True:
                while not exhausted and playing < max(1, self.settings.window):
                    arrived = next(arrivals, None)
                    if arrived is None:
                        exhausted = True
                    elif isinstance(arrived, Seat):
                        self._open(arrived)
                        waiting.setdefault(arrived.request.group, []).append(arrived)
                        playing += 1
                    else:
                        yield arrived
                # The looks of the newest pass go on while the next one runs; those before it are
                # waited for.
                while looking and (len(looking) > 1 or not waiting):
                    for seat in (future.result() for future in looking.popleft()):
                        if seat.finished:
                            playing -= 1
                            yield seat.index, seat.record()
                        else:
                            waiting.setdefault(seat.request.group, []).append(seat)
                # A lane that has finished finds a pass in store; a single lane waits for as full a
                # group as can be had.
                while waiting and len(passing) < self.settings.passes + (self.settings.passes > 1):
                    passing.append(lanes.submit(self._pass, self._fullest(waiting), pool))
                if passing:
                    looking.append(passing.popleft().result())
                elif exhausted and not looking:
                    return

    @contextlib.contextmanager
    def _lanes(self) -> Iterator[ThreadPoolExecutor]:
        """Threads for forward passes, each with its share of the cores."""
        cores, passes = torch.get_num_threads(), max(1, self.settings.passes)
        share = functools.partial(torch.set_num_threads, max(1, cores // passes))
        try:
            with ThreadPoolExecutor(passes, initializer=share) as lanes:
                yield lanes
        finally:
            torch.set_num_threads(
                cores
            )  # some of the libraries below torch know one number for all threads

    def _pass(self, seats: list[Seat], pool: ThreadPoolExecutor) -> list[Future[Seat]]:
        masks = self._answer(seats)
        return [pool.submit(self._look, *pair) for pair in zip(seats, masks, strict=True)]

    def _arrivals(
        self, pool: ThreadPoolExecutor, indices: Sequence[int]
    ) -> Iterator[Seat | tuple[int, Skipped]]:
        """Decoded objects with their first click, in order, read ahead in threads."""
        queue: deque[Future[Seat | tuple[int, Skipped]]] = deque()
        for index in indices:
            queue.append(pool.submit(self._arrive, index))
            if len(queue) > self.settings.ahead:
                yield queue.popleft().result()
        while queue:
            yield queue.popleft().result()

    def _arrive(self, index: int) -> Seat | tuple[int, Skipped]:
        started = time.perf_counter()
        try:
            sample = self.dataset[index]
        except IsegmError as error:
            name = self.dataset.ids()[index]
            log.warning("%s: skipping %s: %s", self.dataset.name, name, error)
            return index, Skipped(name, str(error))
        self.clock.add("io", started)
        if not (sample.gt == 1).any():
            log.warning(
                "%s: skipping %s: its ground truth has no object pixel",
                self.dataset.name,
                sample.id,
            )
            return index, Skipped(sample.id, "the ground truth has no object pixel")
        started = time.perf_counter()
        judge = Judge(sample.gt)
        click = self.user.click(first_look(sample, self.protocol))
        seat = Seat(index, sample, click, judge, judge.shape())
        self.clock.add("simulation", started)
        return seat

    def _open(self, seat: Seat) -> None:
        seat.session = self.predictor.start(seat.sample.image, seat.sample.init_mask)
        seat.request = self.predictor.request(seat.session, seat.click)

    def _fullest(self, waiting: dict[Hashable, list[Seat]]) -> list[Seat]:
        """Take the seats of one forward pass out of the group that fills it best; the oldest group
        wins a tie.
        """
        group = max(waiting, key=lambda key: min(len(waiting[key]), self._room(waiting[key])))
        seats, room = waiting[group], self._room(waiting[group])
        if len(seats) <= room:
            return waiting.pop(group)
        waiting[group] = seats[room:]
        return seats[:room]

    def _room(self, seats: list[Seat]) -> int:
        return self.predictor.views_per_pass(seats[0].request.view.size)

    def _answer(self, seats: list[Seat]) -> list[np.ndarray]:
        started = time.perf_counter()
        sessions = self.predictor.answer([seat.request for seat in seats])
        masks = [
            (session.prob[0, 0] > self.protocol.mask_threshold).cpu().numpy()
            for session in sessions
        ]
        spent = self.clock.add("model", started)
        for seat, session in zip(seats, sessions, strict=True):
            seat.session = session
            seat.seconds.append(spent / len(seats))
        return masks

    def _look(self, seat: Seat, mask: np.ndarray) -> Seat:
        """What the simulated user does after an answer: judge it, and click again unless it is good
        enough.
        """
        started = time.perf_counter()
        seat.ious.append(seat.judge.iou(mask))
        seat.bious.append(seat.judge.boundary_iou(mask))
        seat.finished = is_finished(seat.ious, self.protocol)
        if not seat.finished:
            seat.click = self.user.click(Look(seat.sample, mask, seat.session))
            seat.request = self.predictor.request(seat.session, seat.click)
        self.clock.add("simulation", started)
        if self.observer is not None:
            self.observer(seat.sample, seat.session, list(seat.ious))
        return seat


def first_look(sample: Sample, protocol: Protocol) -> Look:
    """What the user sees before the first click: nothing, or the mask that the sample starts
    from.
    """
    start = sample.init_mask
    mask = np.zeros(sample.gt.shape, bool) if start is None else start > protocol.mask_threshold
    return Look(sample, mask)


def is_finished(ious: Sequence[float], protocol: Protocol) -> bool:
    made = len(ious)
    return made >= protocol.max_clicks or (
        ious[-1] >= protocol.stop_iou and made >= protocol.min_clicks
    )
