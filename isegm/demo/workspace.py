"""One user's image: the current object, the finished objects, undo and redo.

An object's mask follows from image, initial mask, clicks and settings alone, so any answer may be
dropped and computed again.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import numpy as np

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.masks import PackedMask
from isegm.core.rounds import Session, storages
from isegm.demo.values import Cancelled, Current, Finished, Job, Picture
from isegm.inference.controls import Settings
from isegm.inference.predictor import Predictor
from isegm.inference.session_file import (
    MAX_CLICKS,
    MAX_MASK_PIXELS,
    MAX_OBJECTS,
    RecordedObject,
    SessionFile,
    pixels_sha256,
)
from isegm.inference.settings import SHOWING, Answering

FEWEST_KEPT = 2  # answers, whatever the image's size


class Workspace:
    """One user's image. Not thread-safe, except for ``replayed``: the store guards it by a lock.

    Args:
        turn: held while the network works; shared by all sessions.
        history_bytes: of answers kept for undo, including the method's state.
    """

    def __init__(
        self, answering: Answering, picture: Picture, turn: Callable, history_bytes: int
    ) -> None:
        self.answering, self.picture, self._turn = answering, picture, turn
        self.sha256 = pixels_sha256(picture.pixels)
        self._history_bytes = history_bytes
        self.settings: Settings = dict(answering.defaults)
        self._predictor: Predictor = answering.predictor(self.settings, self._go_on)
        self.finished: list[Finished] = []
        self.current = Current(1)
        self._job = self._replay = Job()
        self.model_seconds = self.wait_seconds = 0.0

    # --- the current object -----------------------------------------------------------------------

    def click(self, y: float, x: float, positive: bool) -> None:
        """Answer a click. Undone clicks can no longer be redone.

        Raises:
            IsegmError: outside the image, or one click too many.
        """
        current, (height, width) = self.current, self.picture.size
        if not (0 <= y < height and 0 <= x < width):
            raise IsegmError(
                f"click (y={y:g}, x={x:g}) lies outside the image of {height} rows and {width}"
                " columns"
            )
        if current.shown >= MAX_CLICKS:
            raise IsegmError(
                f"this object has {MAX_CLICKS} clicks, more are not answered; finish it or start"
                " again"
            )
        before = self.session()
        click = Click(y, x, positive)
        answer = self._answer(before, [click])
        current.clicks[current.shown :] = [click]
        current.answers = {
            count: kept for count, kept in current.answers.items() if count <= current.shown
        }
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
        """Restore the click that was undone last.

        Raises:
            IsegmError: there is none.
        """
        if self.current.shown == len(self.current.clicks):
            raise IsegmError("there is no click to redo")
        self._show(self.current.shown + 1)

    def reset(self) -> None:
        """Start the object again, without its initial mask."""
        self.current = Current(self.current.number, place=self.current.place)

    def start_from(self, mask: np.ndarray) -> None:
        """Start the object again from a mask, ``H W`` bool."""
        self.current = Current(self.current.number, PackedMask.of(mask), self.current.place)

    def session(self) -> Session:
        """The predictor's session of the current object; computed again if it was dropped."""
        current = self.current
        if current.shown not in current.answers:
            kept = max((count for count in current.answers if count < current.shown), default=None)
            base = self._started() if kept is None else current.answers[kept]
            self._keep(self._answer(base, current.clicks[kept or 0 : current.shown]))
        return current.answers[current.shown]

    def shown(self) -> tuple[np.ndarray, np.ndarray]:
        """Probability and mask of the current object."""
        return self.answering.shown(self.session(), self.settings)

    # --- settings ---------------------------------------------------------------------------------

    def configure(self, changes: Settings) -> None:
        """Change settings; the clicks on the current object are answered again if that matters.

        Raises:
            IsegmError: an unknown setting or value; nothing changes.
        """
        settings = self.answering.checked(changes, self.settings)
        if all(settings[name] == self.settings[name] for name in settings if name not in SHOWING):
            self.settings = settings
            return
        old = self.settings, self._predictor, self.current.answers
        self._set(settings)
        self.current.answers = {}
        try:
            self.session()
        except Exception:
            self.settings, self._predictor, self.current.answers = old
            raise

    def _set(self, settings: Settings) -> None:
        self.settings, self._predictor = settings, self.answering.predictor(settings, self._go_on)

    # --- objects ----------------------------------------------------------------------------------

    def finish(self) -> None:
        """Add the current object to the finished ones, in its old place if it has one, and start
        another.

        Raises:
            IsegmError: its mask is empty, or there are too many objects.
        """
        if len(self.finished) >= MAX_OBJECTS:
            raise IsegmError(f"there are {MAX_OBJECTS} objects; more cannot be kept")
        stored = sum(1 + (finished.recorded.start is not None) for finished in self.finished)
        masks = stored + 4  # of this object and the next
        if masks * self.picture.size[0] * self.picture.size[1] > MAX_MASK_PIXELS:
            raise IsegmError(
                f"{len(self.finished)} objects are as many as can be kept of an image this large;"
                " save them and open it again"
            )
        recorded = self._recorded(finished=True)
        if not recorded.mask.area:
            raise IsegmError("there is no mask to finish yet; click on an object first")
        place = len(self.finished) if self.current.place is None else self.current.place
        self.finished.insert(place, Finished(self.current.number, recorded))
        self._start_another()

    def reopen(self, number: int) -> None:
        """Edit a finished object again, with its clicks, its mask and its settings.

        The current object is finished first, or dropped if nothing was done on it.

        Raises:
            IsegmError: there is no such object, or the current one has clicks and no mask; nothing
                changes.
        """
        self.find(number)
        old = self.settings, self._predictor, self.current, list(self.finished)
        try:
            if self._touched():
                self.finish()
            reopened = self.find(number)
            place, recorded = self.finished.index(reopened), reopened.recorded
            self.finished.pop(place)
            clicks = list(recorded.clicks)
            self.current = Current(number, recorded.start, place, clicks, len(clicks))
            self._set(self.answering.adapted(recorded.settings))
            self.session()
        except Exception:
            self.settings, self._predictor, self.current, self.finished = old
            raise

    def delete(self, number: int) -> None:
        """Remove a finished object, or one that was reopened.

        Raises:
            IsegmError: there is no such object.
        """
        if number == self.current.number and self.current.place is not None:
            self._start_another()
            return
        deleted, current = self.find(number), self.current
        if current.place is not None and self.finished.index(deleted) < current.place:
            current.place -= 1
        self.finished.remove(deleted)

    def _start_another(self) -> None:
        used = [self.current.number, *(finished.number for finished in self.finished)]
        self.current = Current(1 + max(used))

    def _touched(self) -> bool:
        """Whether anything was done on the current object."""
        return self.current.shown > 0 or self.current.start is not None

    def find(self, number: int) -> Finished:
        for candidate in self.finished:
            if candidate.number == number:
                return candidate
        raise IsegmError(f"there is no finished object {number}")

    def everything(self) -> list[Finished]:
        """The finished objects and, in its place, the current one if anything was done on it."""
        listed = list(self.finished)
        if self._touched():
            place = len(listed) if self.current.place is None else self.current.place
            listed.insert(place, Finished(self.current.number, self._recorded(finished=False)))
        return listed

    def objects(self) -> list[Finished]:
        """``everything`` that has a mask."""
        return [finished for finished in self.everything() if finished.recorded.mask.area]

    # --- recording --------------------------------------------------------------------------------

    def record(
        self, checkpoint: dict[str, str], protocol: dict[str, str | None], with_image: bool
    ) -> SessionFile:
        """All objects as a session file, without undone clicks."""
        objects = tuple(finished.recorded for finished in self.everything())
        image = self.picture.data if with_image else None
        return SessionFile(
            self.picture.name, self.sha256, self.picture.size, checkpoint, protocol, objects, image
        )

    def replayed(self, file: SessionFile, go_on: Callable[[], None] = lambda: None) -> Workspace:
        """A workspace on the same image after all that is in a session file. Settings that the
        method lacks are left out. In this workspace only ``progress`` changes.

        Args:
            go_on: called before every click; an exception ends the replay.

        Raises:
            IsegmError: the image has another size, more than one object is unfinished, or a setting
                has an invalid value.
            Cancelled: ``cancel`` was called.
        """
        if file.size != self.picture.size:
            raise IsegmError(
                f"the session was made on an image of {file.size} rows and columns, this one is"
                f" {self.picture.size}"
            )
        for recorded in file.objects:
            self.answering.adapted(recorded.settings)
        unfinished = [place for place, recorded in enumerate(file.objects) if not recorded.finished]
        if len(unfinished) > 1:
            raise IsegmError(
                f"{len(unfinished)} objects of the session are unfinished; at most one can be"
            )
        fresh = copy.copy(self)
        fresh.finished, fresh.current = [], Current(1)
        fresh.model_seconds = fresh.wait_seconds = 0.0
        clicks = sum(len(recorded.clicks) for recorded in file.objects)
        self._replay = fresh._job = Job(0, clicks)
        try:
            for place, recorded in enumerate(file.objects):
                fresh.current = Current(place + 1)
                if recorded.finished:
                    fresh._redo(recorded, go_on)
                    fresh.finish()
            for place in unfinished:  # last, whatever its place: it stays the current object
                last = place == len(file.objects) - 1
                fresh.current = Current(place + 1, place=None if last else place)
                fresh._redo(file.objects[place], go_on)
        finally:
            self._replay = Job()
        return fresh

    def take_over(self, other: Workspace) -> None:
        """Replace the contents by those of a workspace that ``replayed`` made."""
        self._set(other.settings)
        self.finished, self.current = other.finished, other.current
        self.model_seconds, self.wait_seconds = other.model_seconds, other.wait_seconds

    def _redo(self, recorded: RecordedObject, go_on: Callable[[], None]) -> None:
        self._set(self.answering.adapted(recorded.settings))
        self.current.start = recorded.start
        for click in recorded.clicks:
            go_on()
            self.click(click.y, click.x, click.positive)
        if recorded.finished and not self.shown()[1].any():
            raise IsegmError(
                f"{recorded.name} has no mask with this checkpoint, so the session cannot be done"
                " again here"
            )

    def _recorded(self, finished: bool) -> RecordedObject:
        current = self.current
        return RecordedObject(
            name=f"object {current.number}",
            clicks=tuple(current.clicks[: current.shown]),
            settings=dict(self.settings),
            mask=PackedMask.of(self.shown()[1]),
            start=current.start,
            finished=finished,
        )

    # --- answers ----------------------------------------------------------------------------------

    @property
    def progress(self) -> Job:
        """The clicks being answered: those of a replay, if there is one."""
        return self._replay if self._replay.total else self._job

    def cancel(self) -> None:
        """End the current request, from any thread: it raises Cancelled, and nothing changes."""
        self._job.cancelled = self._replay.cancelled = True

    def held_bytes(self) -> int:
        """The memory of image, masks and answers."""
        held: dict = {}
        for answer in self.current.answers.values():
            held |= storages(answer)
        masks = [o.recorded.mask for o in self.finished] + [o.recorded.start for o in self.finished]
        masks.append(self.current.start)
        stored = sum(len(mask.bits) for mask in masks if mask is not None)
        return len(self.picture.data) + self.picture.pixels.nbytes + stored + sum(held.values())

    def _go_on(self) -> None:
        if self._job.cancelled:
            raise Cancelled("cancelled; everything is as it was before")

    def _show(self, count: int) -> None:
        old, self.current.shown = self.current.shown, count
        try:
            self.session()
        except Exception:
            self.current.shown = old
            raise

    def _started(self) -> Session:
        start = self.current.start
        prob = None if start is None else start.pixels.astype(np.float32)
        return self._predictor.start(self.picture.pixels, prob)

    def _answer(self, session: Session, clicks: list[Click]) -> Session:
        alone = not self._job.total  # otherwise a replay, which counts all of its clicks
        if alone:
            self._job = Job(0, len(clicks))
        try:
            for click in clicks:  # one turn per click, so that other sessions are not blocked
                session = self._answer_one(session, click)
                self._job.done += 1
        finally:
            if alone:
                self._job = Job()
        return session

    def _answer_one(self, session: Session, click: Click) -> Session:
        asked = time.perf_counter()
        with self._turn():
            begun = time.perf_counter()
            self.wait_seconds += begun - asked
            self._go_on()
            try:
                return self._predictor.click(session, click)
            finally:
                self.model_seconds += time.perf_counter() - begun

    def _keep(self, session: Session) -> None:
        answers, shown = self.current.answers, self.current.shown
        answers[len(session.clicks)] = session
        held: dict = {}
        for rank, count in enumerate(sorted(answers, key=lambda count: abs(count - shown))):
            held |= storages(answers[count])
            if rank >= FEWEST_KEPT and sum(held.values()) > self._history_bytes:
                del answers[count]
