"""Lock-step evaluation: many objects are played at once, and those whose views have the same size
share forward passes.

Clicks wait in groups by view size, all candidates of a user among them. ``LockStep`` always answers
the fullest group, while threads process earlier answers (IoU, next click, next view) and decode the
next objects. On a CPU a few passes of one view each run in parallel, which uses the cores better
than parallel layers. Which clicks share a pass depends only on their order, so a run can be
repeated exactly, and the clicks of an object do not depend on the others beyond float rounding.
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
from isegm.evaluation.users.base import Look, clicks_to_try, user_of
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
        """Add the time since ``since`` (``time.perf_counter()``), and return it."""
        spent = time.perf_counter() - since
        with self._lock:
            self.seconds[stage] += spent
        return spent


@dataclass(frozen=True)
class LockStepSettings:
    """How the work is scheduled; no result depends on it beyond float rounding.

    Attributes:
        window: clicks in play at once: objects, if the user tries no candidates. Images are kept as
            bytes and answers as floats: 7 bytes per pixel, and a byte per pixel of the object's
            box.
        threads: for decoding and for the simulated user.
        ahead: objects decoded in advance.
        passes: parallel forward passes, which share the cores of a CPU.
    """

    window: int = 16
    threads: int = 2
    ahead: int = 8
    passes: int = 1

    @classmethod
    def suited_to(cls, device: torch.device) -> LockStepSettings:
        """A window that fills the passes of a GPU; a CPU gains nothing from batches, so there a
        small one saves memory.
        """
        if device.type == "cuda":
            return cls(window=1024, threads=8, ahead=64)
        # Python drives every pass and runs only one thread at a time, so more passes would wait.
        passes = min(4, torch.get_num_threads())
        return cls(window=4 + 4 * passes, threads=2, ahead=8, passes=passes)


@dataclass(frozen=True, eq=False)
class Answer:
    """What one click was answered with."""

    session: Session
    mask: np.ndarray
    iou: float
    seconds: float


@dataclass(eq=False)
class Seat:
    """One object in play. Only ``LockStep`` changes it, one stage at a time.

    Attributes:
        clicks: those that wait for an answer: one, or several candidates.
        back: the mask before them, if the click will be undone.
        session: in which the clicks are made.
        answers: to ``clicks``, None where one is missing; empty once the user went on.
        missing: how many answers have not been collected.
        made, ious, seconds, undone: the record so far, see ``ObjectRecord``.
    """

    index: int
    sample: Sample
    clicks: tuple[Click, ...]
    judge: Judge
    shape: ObjectShape
    back: np.ndarray | None = None
    session: Session | None = None
    requests: tuple[Request, ...] = ()
    answers: list[Answer | None] = field(default_factory=list)
    missing: int = 0
    made: list[Click] = field(default_factory=list)
    ious: list[float] = field(default_factory=list)
    bious: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    undone: list[int] = field(default_factory=list)
    finished: bool = False

    def record(self) -> ObjectRecord:
        return ObjectRecord(
            self.sample.id,
            tuple((c.y, c.x, int(c.positive)) for c in self.made),
            ious=tuple(self.ious),
            seconds=tuple(self.seconds),
            bious=tuple(self.bious),
            shape=self.shape,
            undone=tuple(self.undone),
            picture=self.sample.picture,
        )


@dataclass(frozen=True, eq=False)
class Turn:
    """One click of a seat that waits for its answer."""

    seat: Seat
    place: int

    @property
    def request(self) -> Request:
        return self.seat.requests[self.place]


Waiting = dict[Hashable, list[Turn]]


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
        self.predictor, self.dataset, self.clock = predictor, dataset, clock
        self.protocol, self.user = protocol, user_of(protocol)
        self.settings = settings or LockStepSettings.suited_to(predictor.device)
        self.observer = observer

    def run(self, indices: Sequence[int]) -> Iterator[tuple[int, ObjectRecord | Skipped]]:
        """Yield (index, outcome) for each of ``indices``, as objects finish."""
        with ThreadPoolExecutor(max(1, self.settings.threads)) as pool, self._lanes() as lanes:
            arrivals = self._arrivals(pool, indices)
            waiting: Waiting = {}
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
                        playing += _enqueue(arrived, waiting)
                    else:
                        yield arrived
                # Answers of the newest pass are judged while the next one runs; earlier ones must
                # be done.
                while looking and (len(looking) > 1 or not waiting):
                    for seat in (future.result() for future in looking.popleft()):
                        playing -= 1
                        seat.missing -= 1
                        if seat.missing:
                            continue  # for the answers to its other candidates
                        if seat.answers:
                            playing, seat.missing = playing + 1, 1
                            looking.append([pool.submit(self._go_on, seat)])
                        elif seat.finished:
                            yield seat.index, seat.record()
                        else:
                            playing += _enqueue(seat, waiting)
                # With several lanes, one pass is queued for the first that is free; a single lane
                # waits for the fullest group.
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
            torch.set_num_threads(cores)  # some libraries have one number for all threads

    def _pass(self, turns: list[Turn], pool: ThreadPoolExecutor) -> list[Future[Seat]]:
        answers = self._answer(turns)
        return [pool.submit(self._look, turn, *a) for turn, a in zip(turns, answers, strict=True)]

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
        look, judge = first_look(sample, self.protocol, self.dataset.name), Judge(sample.gt)
        try:
            seat = Seat(index, sample, clicks_to_try(self.user, look), judge, judge.shape())
        except IsegmError as error:
            log.warning("%s: skipping %s: %s", self.dataset.name, sample.id, error)
            return index, Skipped(sample.id, str(error))
        seat.back = look.mask if self.user.takes_back(look) else None
        self.clock.add("simulation", started)
        return seat

    def _open(self, seat: Seat) -> None:
        seat.session = self.predictor.start(seat.sample.image, seat.sample.init_mask)
        seat.requests = tuple(self.predictor.request(seat.session, click) for click in seat.clicks)

    def _fullest(self, waiting: Waiting) -> list[Turn]:
        """Take the turns of one forward pass from the group that fills it best; the oldest group
        wins a tie.
        """
        group = max(waiting, key=lambda key: min(len(waiting[key]), self._room(waiting[key])))
        turns, room = waiting[group], self._room(waiting[group])
        if len(turns) <= room:
            return waiting.pop(group)
        waiting[group] = turns[room:]
        return turns[:room]

    def _room(self, turns: list[Turn]) -> int:
        return self.predictor.views_per_pass(turns[0].request.view.size)

    def _answer(self, turns: list[Turn]) -> list[tuple[Session, np.ndarray, float]]:
        """The session, the mask and the seconds of model time of each turn."""
        started = time.perf_counter()
        sessions = self.predictor.answer([turn.request for turn in turns])
        masks = [
            (session.prob[0, 0] > self.protocol.mask_threshold).cpu().numpy()
            for session in sessions
        ]
        spent = self.clock.add("model", started) / len(turns)
        return [(session, mask, spent) for session, mask in zip(sessions, masks, strict=True)]

    def _look(self, turn: Turn, session: Session, mask: np.ndarray, seconds: float) -> Seat:
        """What the simulated user does after an answer: judge it, and go on unless another
        candidate's answer may be missing.
        """
        started, seat = time.perf_counter(), turn.seat
        seat.answers[turn.place] = Answer(session, mask, seat.judge.iou(mask), seconds)
        self.clock.add("simulation", started)
        return self._go_on(seat) if len(seat.answers) == 1 else seat

    def _go_on(self, seat: Seat) -> Seat:
        """Keep an answer, and click again unless it is good enough."""
        started = time.perf_counter()
        place = self.user.choose([a.iou for a in seat.answers]) if len(seat.answers) > 1 else 0
        kept, seat.answers, seat.requests = seat.answers[place], [], ()
        seat.made.append(seat.clicks[place])
        seat.ious.append(kept.iou)
        seat.bious.append(seat.judge.boundary_iou(kept.mask))
        seat.seconds.append(kept.seconds)
        seat.finished = is_finished(seat.ious, self.protocol)
        if not seat.finished:
            self._click(seat, kept)
        self.clock.add("simulation", started)
        if self.observer is not None:
            self.observer(seat.sample, kept.session, list(seat.ious))
        return seat

    def _click(self, seat: Seat, kept: Answer) -> None:
        """Click again: after the kept answer or, if that is undone, as if it had not been."""
        if seat.back is None:
            seat.session, mask = kept.session, kept.mask
        else:
            seat.undone.append(len(seat.made) - 1)
            mask = seat.back
        undone = tuple(seat.made[i] for i in seat.undone)
        seen = seat.session if seat.session.clicks else None
        look = Look(seat.sample, mask, seen, undone, self.dataset.name)
        seat.clicks = clicks_to_try(self.user, look)
        seat.back = mask if self.user.takes_back(look) else None
        seat.requests = tuple(self.predictor.request(seat.session, click) for click in seat.clicks)


def _enqueue(seat: Seat, waiting: Waiting) -> int:
    """Let the clicks of a seat wait for their answers; how many they are."""
    count = seat.missing = len(seat.clicks)
    seat.answers = [None] * count
    for place, request in enumerate(seat.requests):
        waiting.setdefault(request.group, []).append(Turn(seat, place))
    return count


def first_look(sample: Sample, protocol: Protocol, dataset: str = "") -> Look:
    """The user's view before the first click: no mask, or the one that the sample starts from."""
    start = sample.init_mask
    mask = np.zeros(sample.gt.shape, bool) if start is None else start > protocol.mask_threshold
    return Look(sample, mask, dataset=dataset)


def is_finished(ious: Sequence[float], protocol: Protocol) -> bool:
    made = len(ious)
    return made >= protocol.max_clicks or (
        ious[-1] >= protocol.stop_iou and made >= protocol.min_clicks
    )
