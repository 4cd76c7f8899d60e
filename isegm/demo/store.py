"""The open sessions: a limited number, one request each at a time, closed when idle."""

from __future__ import annotations

import gc
import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from isegm.core.errors import IsegmError
from isegm.demo.limits import Limits
from isegm.demo.workspace import Workspace
from isegm.utils.device import release_freed_memory

log = logging.getLogger("isegm")


class StaleSession(IsegmError):
    """A session that does not exist, or no longer exists."""


class Busy(IsegmError):
    """The server is overloaded; the same request may succeed later."""


class Crowded(IsegmError):
    """Too many requests of a session are waiting."""


@dataclass
class Slot:
    workspace: Workspace
    used: float
    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: int = 0
    replaying: bool = False
    bytes: int = 0


class SessionStore:
    """Workspaces by key. Requests keep their session from expiring. Keys cannot be guessed, and
    give full access to the session.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._slots: dict[str, Slot] = {}
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(limits.parallel)
        self._reserved = 0  # bytes of what is being decoded

    def __len__(self) -> int:
        return len(self._slots)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the network.

        Raises:
            Busy: it took too long.
        """
        if not self._turns.acquire(timeout=self.limits.wait_seconds):
            raise Busy("the server is busy with other users; try again in a moment")
        try:
            yield
        finally:
            self._turns.release()

    def reserve(self, instead: str | None = None) -> None:
        """Check, before anything is read, that there is room for another session, possibly after
        closing the session ``instead``.

        Raises:
            Busy: there is none.
        """
        self.expire()
        with self._lock:
            self._check_room(instead)

    @contextmanager
    def room(self, size: int, instead: str | None = None) -> Iterator[None]:
        """Hold this many bytes for something that is to be decoded, before it is.

        Raises:
            Busy: sessions, and what is being decoded, leave less of ``Limits.memory_bytes``.
            IsegmError: it is more than all of it.
        """
        limit = self.limits.memory_bytes
        if size > limit:
            raise IsegmError(
                f"this takes about {size >> 20} MiB; the server has {limit >> 20} MiB for all of"
                " its users. Use a smaller image"
            )
        with self._lock:
            open_ = sum(slot.bytes for key, slot in self._slots.items() if key != instead)
            if open_ + self._reserved + size > limit:
                raise Busy(
                    f"the open sessions leave no room for this one, about {size >> 20} MiB; close"
                    " one or try again later"
                )
            self._reserved += size
        try:
            yield
        finally:
            with self._lock:
                self._reserved -= size

    def add(self, workspace: Workspace, instead: str | None = None, size: int = 0) -> str:
        """Open a session, closing the session ``instead`` if given, and return its key.

        Args:
            size: its bytes, see ``Limits.session_bytes``.

        Raises:
            Busy: as ``reserve``.
        """
        with self._lock:
            self._check_room(instead)
            key = secrets.token_urlsafe(16)
            self._slots[key] = Slot(workspace, time.monotonic(), bytes=size)
            closed = self._slots.pop(instead, None)
        if closed is not None:
            del closed
            self._give_back()
        return key

    @contextmanager
    def use(self, key: str) -> Iterator[Workspace]:
        """The workspace of a session, for this request alone.

        Raises:
            StaleSession: there is no such session.
            Crowded: too many requests already wait for an earlier one.
            Busy: another request of the same session takes too long.
        """
        slot = self._slot(key)
        if not self._wait_for(slot):
            raise Busy(
                "an earlier request of this session is still being answered; try again in a moment"
            )
        try:
            self._slot(key)  # it may have been closed meanwhile
            slot.used = time.monotonic()
            yield slot.workspace
        finally:
            slot.bytes = max(slot.bytes, slot.workspace.held_bytes())
            slot.used = time.monotonic()
            slot.lock.release()

    @contextmanager
    def replaying(self, key: str) -> Iterator[Callable[[], None]]:
        """Long work on a session that does not block its other requests: the lock is not held.

        Yields a function to be called now and then, which keeps the session from expiring, and
        raises StaleSession once it is closed.

        Raises:
            StaleSession: there is no such session.
            Crowded: a replay of this session is under way.
        """
        slot = self._slot(key)
        with self._lock:
            if slot.replaying:
                raise Crowded(
                    "a session file is being replayed here; wait for it, or close the session and"
                    " open the image again"
                )
            slot.replaying = True

        def go_on() -> None:
            self._slot(key).used = time.monotonic()

        try:
            yield go_on
        finally:
            slot.replaying = False

    def peek(self, key: str) -> Workspace:
        """The workspace without its lock, to read constant parts or the progress of a request."""
        return self._slot(key).workspace

    def close(self, key: str) -> None:
        """Close a session, if it is open."""
        with self._lock:
            closed = self._slots.pop(key, None)
        if closed is not None:
            del closed
            self._give_back()

    def expire(self) -> int:
        """Close sessions that were idle for too long, and return how many."""
        oldest = time.monotonic() - self.limits.idle_seconds
        with self._lock:
            stale = [
                key
                for key, slot in self._slots.items()
                if slot.used < oldest and not (slot.lock.locked() or slot.replaying)
            ]
            for key in stale:
                del self._slots[key]
        if stale:
            log.info("%d idle sessions closed, %d open", len(stale), len(self._slots))
            self._give_back()
        return len(stale)

    def _check_room(self, instead: str | None) -> None:
        if len(self._slots) - (instead in self._slots) >= self.limits.sessions:
            raise Busy(
                f"{self.limits.sessions} sessions are open, which is the limit here; close one or"
                " try again later"
            )

    def _wait_for(self, slot: Slot) -> bool:
        """Acquire the lock of a session; whether that succeeded in time."""
        with self._lock:
            if slot.lock.acquire(blocking=False):
                return True
            if slot.waiting >= self.limits.waiting:
                raise Crowded(
                    f"{slot.waiting} requests of this session are waiting already; send the next"
                    " one when they are answered"
                )
            slot.waiting += 1
        try:
            return slot.lock.acquire(timeout=self.limits.wait_seconds)
        finally:
            with self._lock:
                slot.waiting -= 1

    def _slot(self, key: str) -> Slot:
        slot = self._slots.get(key)
        if slot is None:
            raise StaleSession(
                "this session is closed: it was idle for too long, or the server was started again;"
                " open the image"
            )
        return slot

    @staticmethod
    def _give_back() -> None:
        gc.collect()
        release_freed_memory()
