"""One user's image: the object in work, the objects that are finished, and what undo and redo go through.

An object's mask follows from image, starting mask, clicks and settings alone: any answer may be forgotten and computed again.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.rounds import Session, storages
from isegm.inference.predictor import Predictor
from isegm.inference.session_file import (
    MAX_CLICKS,
    MAX_MASK_PIXELS,
    MAX_OBJECTS,
    RecordedObject,
    SessionFile,
    pixels_sha256,
)
from isegm.inference.settings import SHOWING, Answering, Settings

FEWEST_KEPT = 2  # answers, whatever the image's size

COLOURS = (
    (64, 156, 255), (255, 149, 0), (52, 199, 89), (255, 55, 95), (191, 90, 242), (255, 214, 10),
    (0, 199, 190), (172, 142, 104), (255, 105, 180), (120, 220, 70), (94, 92, 230), (230, 120, 90),
)  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """An image as it came and decoded: ``pixels`` is ``H W 3`` uint8 RGB."""

    name: str
    data: bytes
    pixels: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        return self.pixels.shape[:2]


@dataclass(frozen=True)
class Finished:
    """A finished object; ``number`` is unique in its workspace and gives the colour."""

    number: int
    recorded: RecordedObject


@dataclass
class Progress:
    """Clicks being answered again: read without the lock of the session."""

    done: int = 0
    total: int = 0


@dataclass
class Current:
    """The object in work.

    Attributes:
        clicks: all that were made, those taken back included.
        shown: how many of them count; what follows is for redo.
        answers: the session after so many clicks, as far as it is kept.
    """

    number: int
    start: np.ndarray | None = None
    clicks: list[Click] = field(default_factory=list)
    shown: int = 0
    answers: dict[int, Session] = field(default_factory=dict)


class Workspace:
    """Not for several threads at once, except ``replayed``: the store hands it out under a lock.

    Args:
        turn: held while the network works; shared by all sessions.
        history_bytes: of answers kept for undo, with all that the method keeps in them.
    """

    def __init__(self, answering: Answering, picture: Picture, turn: Callable, history_bytes: int) -> None:
        self.answering, self.picture, self._turn = answering, picture, turn
        self.sha256 = pixels_sha256(picture.pixels)
        self._history_bytes = history_bytes
        self.settings: Settings = dict(answering.defaults)
        self._predictor: Predictor = answering.predictor(self.settings)
        self.finished: list[Finished] = []
        self.current = Current(1)
        self.progress = Progress()
        self.model_seconds = self.wait_seconds = 0.0

    # --- the object in work ---------------------------------------------------------------------------------------------

    def click(self, y: float, x: float, positive: bool) -> None:
        """Answer a click, and forget what could have been redone.

        Raises:
            IsegmError: outside the image, or one click too many.
        """
        current, (height, width) = self.current, self.picture.size
        if not (0 <= y < height and 0 <= x < width):
            raise IsegmError(f"click (y={y:g}, x={x:g}) lies outside the image of {height} rows and {width} columns")
        if current.shown >= MAX_CLICKS:
            raise IsegmError(f"this object has {MAX_CLICKS} clicks, more are not answered; finish it or start again")
        before = self.session()
        click = Click(y, x, positive)
        answer = self._answer(before, [click])
        current.clicks[current.shown :] = [click]
        current.answers = {count: kept for count, kept in current.answers.items() if count <= current.shown}
        current.shown += 1
        self._keep(answer)

    def undo(self) -> None:
        """Take back the newest click.

        Raises:
            IsegmError: there is none.
        """
        if not self.current.shown:
            raise IsegmError("there is no click to undo")
        self._show(self.current.shown - 1)

    def redo(self) -> None:
        """Make the click again that was taken back last.

        Raises:
            IsegmError: there is none.
        """
        if self.current.shown == len(self.current.clicks):
            raise IsegmError("there is no click to redo")
        self._show(self.current.shown + 1)

    def reset(self) -> None:
        """Begin the object anew, without the mask it may have started from."""
        self.current = Current(self.current.number)

    def start_from(self, mask: np.ndarray) -> None:
        """Begin the object anew from a mask, ``H W`` bool."""
        self.current = Current(self.current.number, mask)

    def session(self) -> Session:
        """The object in work as the predictor knows it; computed again if it was forgotten."""
        current = self.current
        if current.shown not in current.answers:
            known = max((count for count in current.answers if count < current.shown), default=None)
            base = self._begun() if known is None else current.answers[known]
            self._keep(self._answer(base, current.clicks[known or 0 : current.shown]))
        return current.answers[current.shown]

    def shown(self) -> tuple[np.ndarray, np.ndarray]:
        """Probability and mask of the object in work."""
        return self.answering.shown(self.session(), self.settings)

    # --- settings -------------------------------------------------------------------------------------------------------

    def configure(self, changes: Settings) -> None:
        """Change settings; what was clicked on the object in work is answered again where that matters.

        Raises:
            IsegmError: an unknown setting or value; everything stays as it was.
        """
        settings = self.answering.checked(changes, self.settings)
        if all(settings[name] == self.settings[name] for name in settings if name not in SHOWING):
            self.settings = settings
            return
        old = self.settings, self._predictor, self.current.answers
        self.settings, self._predictor, self.current.answers = settings, self.answering.predictor(settings), {}
        try:
            self.session()
        except Exception:
            self.settings, self._predictor, self.current.answers = old
            raise

    # --- objects --------------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Put the object in work among the finished ones and begin another.

        Raises:
            IsegmError: its mask is empty, or there are too many objects.
        """
        if len(self.finished) >= MAX_OBJECTS:
            raise IsegmError(f"there are {MAX_OBJECTS} objects; more cannot be kept")
        masks = 4 + sum(1 + (found.recorded.start is not None) for found in self.finished)  # 4: of this object and the next
        if masks * self.picture.size[0] * self.picture.size[1] > MAX_MASK_PIXELS:
            raise IsegmError(
                f"{len(self.finished)} objects are as many as can be kept of an image this large; save them and open it again"
            )
        recorded = self._recorded(finished=True)
        if not recorded.mask.any():
            raise IsegmError("there is no mask to finish yet; click on an object first")
        self.finished.append(Finished(self.current.number, recorded))
        self.current = Current(self.current.number + 1)

    def delete(self, number: int) -> None:
        """Remove a finished object.

        Raises:
            IsegmError: there is none of this number.
        """
        self.finished.remove(self.find(number))

    def find(self, number: int) -> Finished:
        for candidate in self.finished:
            if candidate.number == number:
                return candidate
        raise IsegmError(f"there is no finished object {number}")

    def objects(self) -> list[Finished]:
        """The finished objects, and the one in work if it has a mask."""
        recorded = self._recorded(finished=False)
        return [*self.finished, Finished(self.current.number, recorded)] if recorded.mask.any() else list(self.finished)

    # --- recording ------------------------------------------------------------------------------------------------------

    def record(self, checkpoint: dict[str, str], protocol: dict[str, str | None], with_image: bool) -> SessionFile:
        """All that was done, as a session file. Clicks that were taken back are not in it."""
        objects = tuple(finished.recorded for finished in self.finished)
        if self.current.shown or self.current.start is not None:
            objects += (self._recorded(finished=False),)
        image = self.picture.data if with_image else None
        return SessionFile(self.picture.name, self.sha256, self.picture.size, checkpoint, protocol, objects, image)

    def replayed(self, file: SessionFile, go_on: Callable[[], None] = lambda: None) -> Workspace:
        """A workspace on the same image in which all that is in a session file is done; of this one only ``progress`` changes.

        Args:
            go_on: called before every click; what it raises ends the replay.

        Raises:
            IsegmError: it is of another image size, or a setting has a value that it cannot have. Settings that the method
                lacks are left out.
        """
        if file.size != self.picture.size:
            raise IsegmError(
                f"the session was made on an image of {file.size} rows and columns, this one is {self.picture.size}"
            )
        for recorded in file.objects:
            self.answering.adapted(recorded.settings)
        fresh = copy.copy(self)
        fresh.finished, fresh.current = [], Current(1)
        fresh.model_seconds = fresh.wait_seconds = 0.0
        self.progress = fresh.progress = Progress(0, sum(len(recorded.clicks) for recorded in file.objects))
        try:
            for recorded in file.objects:
                fresh._redo(recorded, go_on)
        finally:
            self.progress = Progress()
        return fresh

    def take_over(self, other: Workspace) -> None:
        """Put what ``replayed`` made in place of what is here."""
        self.settings, self._predictor = other.settings, other._predictor
        self.finished, self.current = other.finished, other.current
        self.model_seconds, self.wait_seconds = other.model_seconds, other.wait_seconds

    def _redo(self, recorded: RecordedObject, go_on: Callable[[], None]) -> None:
        self.settings = self.answering.adapted(recorded.settings)
        self._predictor = self.answering.predictor(self.settings)
        self.current = Current(self.current.number, recorded.start)
        for click in recorded.clicks:
            go_on()
            self.click(click.y, click.x, click.positive)
            self.progress.done += 1
        if recorded.finished:
            if not self.shown()[1].any():
                raise IsegmError(f"{recorded.name} has no mask with this checkpoint, so the session cannot be done again here")
            self.finish()

    def _recorded(self, finished: bool) -> RecordedObject:
        current = self.current
        clicks, mask = tuple(current.clicks[: current.shown]), self.shown()[1]
        return RecordedObject(f"object {current.number}", clicks, dict(self.settings), mask, current.start, finished)

    # --- answers --------------------------------------------------------------------------------------------------------

    def _show(self, count: int) -> None:
        old, self.current.shown = self.current.shown, count
        try:
            self.session()
        except Exception:
            self.current.shown = old
            raise

    def _begun(self) -> Session:
        start = self.current.start
        return self._predictor.start(self.picture.pixels, None if start is None else start.astype(np.float32))

    def _answer(self, session: Session, clicks: list[Click]) -> Session:
        for click in clicks:  # a turn each, so that others get theirs in between
            asked = time.perf_counter()
            with self._turn():
                begun = time.perf_counter()
                session = self._predictor.click(session, click)
            self.wait_seconds += begun - asked
            self.model_seconds += time.perf_counter() - begun
        return session

    def _keep(self, session: Session) -> None:
        answers, shown = self.current.answers, self.current.shown
        answers[len(session.clicks)] = session
        held: dict = {}
        for rank, count in enumerate(sorted(answers, key=lambda count: abs(count - shown))):
            held |= storages(answers[count])
            if rank >= FEWEST_KEPT and sum(held.values()) > self._history_bytes:
                del answers[count]
