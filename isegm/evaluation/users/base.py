"""Simulated users: who clicks during an evaluation, and where.

One file in this folder is one user. It is chosen by its name in a protocol file, with its own
settings: ``user: {name: jitter, share: 0.1}``. See docs/reference/users.md.
"""

from __future__ import annotations

import hashlib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.parts import Family
from isegm.core.rounds import Session
from isegm.core.samples import Sample
from isegm.inference.protocol import SECTIONS, Protocol

USERS = Family("simulated user", "isegm.evaluation.users", "USER", SECTIONS["user"])


@dataclass(frozen=True)
class Look:
    """What a user sees before a click.

    Attributes:
        sample: the image, the ground truth and the object's id.
        mask: ``H W`` bool, the last answer at the protocol's threshold; before the first click, the
            mask to start from, or an empty one.
        session: after the last answer (probabilities, maps of the method), None before the first
            click. It may be on a GPU.
        undone: clicks that were made and taken back, oldest first. ``mask`` and ``session`` know
            nothing of them.
        dataset: the name of the data set, "" if it is not known.
    """

    sample: Sample
    mask: np.ndarray
    session: Session | None = None
    undone: tuple[Click, ...] = ()
    dataset: str = ""

    @property
    def gt(self) -> np.ndarray:
        """``H W`` int: 1 = object, 0 = background, -1 = ignored."""
        return self.sample.gt

    @property
    def clicks(self) -> tuple[Click, ...]:
        """All clicks so far, in image pixels; none before the first. Without those undone."""
        return () if self.session is None else self.session.clicks

    @property
    def made(self) -> int:
        """How many clicks were made, those undone included."""
        return len(self.clicks) + len(self.undone)

    def rng(self, seed: int, for_object: bool = False) -> np.random.Generator:
        """Random numbers for this click of this object.

        They depend only on the seed, the object's id and the number of clicks made, not on other
        objects, batches, processes or earlier draws.

        Args:
            for_object: the same numbers at every click of the object.
        """
        name = hashlib.sha256(self.sample.id.encode()).digest()
        stream = 0 if for_object else 1 + self.made
        return np.random.default_rng([seed, stream, *np.frombuffer(name, "<u4").tolist()])


class User(typing.Protocol):
    """A user: a frozen dataclass whose fields are its settings, with the method ``click``.

    It keeps nothing between clicks, and may be called for many objects at once, from several
    threads. A random user has a field ``seed`` and draws from ``look.rng(self.seed)``.
    """

    def click(self, look: Look) -> Click:
        """The next click (or the first), at a pixel of the image.

        Raises:
            IsegmError: this user cannot click here. At the first click the object is skipped and
                counted, as one that cannot be read; later it ends the evaluation.
        """
        ...

    def candidates(self, look: Look) -> tuple[Click, ...]:
        """The clicks to try, at least one. Each is answered from the same session, and ``choose``
        says which answer is kept.
        """
        return (self.click(look),)

    def choose(self, ious: Sequence[float]) -> int:
        """Which of the candidates is kept, given the IoU after each."""
        return 0

    def takes_back(self, look: Look) -> bool:
        """Whether the click made at this look is undone after its answer.

        Such a click counts, and so does the IoU after it. The next look then shows the session
        before it, with the click in ``undone``.
        """
        return False


def clicks_to_try(user: User, look: Look) -> tuple[Click, ...]:
    """The candidates of a user, of which there must be one."""
    clicks = user.candidates(look)
    if not clicks:
        raise IsegmError(f"{type(user).__name__}.candidates returned no click; at least one needed")
    return clicks


def user_of(protocol: Protocol) -> User:
    """The simulated user of a protocol.

    Raises:
        IsegmError: there is no such user, or it has no such setting.
    """
    return checked_user(protocol.user)


def checked_user(choice: Mapping[str, Any]) -> User:
    """The simulated user of a choice such as ``{"name": "jitter", "share": 0.2}``.

    Raises:
        IsegmError: there is no such user, it has no such setting, or a setting is of a wrong type.
    """
    try:
        return USERS.make(choice)
    except (TypeError, ValueError) as error:
        settings = ", ".join(f"{key}={value!r}" for key, value in choice.items() if key != "name")
        raise IsegmError(f"user {choice['name']}: {settings} cannot be used ({error})") from None
