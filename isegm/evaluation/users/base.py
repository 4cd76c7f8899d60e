"""Simulated users: who clicks during an evaluation, and where.

One file in this folder is one user. It is chosen by its name in a protocol file, with its own
settings: ``user: {name: jitter, share: 0.1}``. See docs/how-to/add_a_user.md.
"""

from __future__ import annotations

import hashlib
import typing
from dataclasses import dataclass

import numpy as np

from isegm.core.clicks import Click
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
        mask: ``H W`` bool, the mask at the protocol's threshold: that of the last answer, and
            before the first click the one to start from, or nothing.
        session: after the last answer (probabilities, maps of the method), None before the first
            click. It may be on a GPU.
    """

    sample: Sample
    mask: np.ndarray
    session: Session | None = None

    @property
    def gt(self) -> np.ndarray:
        """``H W`` int: 1 = object, 0 = background, -1 = ignored."""
        return self.sample.gt

    @property
    def clicks(self) -> tuple[Click, ...]:
        """All clicks so far, in image pixels; none before the first."""
        return () if self.session is None else self.session.clicks

    def rng(self, seed: int, for_object: bool = False) -> np.random.Generator:
        """Fresh random numbers for this click of this object.

        They follow from the seed, the object's id and the number of clicks so far, and from nothing
        else: not from other objects, batches, processes or earlier draws.

        Args:
            for_object: the same numbers at every click of the object.
        """
        name = hashlib.sha256(self.sample.id.encode()).digest()
        stream = 0 if for_object else 1 + len(self.clicks)
        return np.random.default_rng([seed, stream, *np.frombuffer(name, "<u4").tolist()])


class User(typing.Protocol):
    """A user, as a frozen dataclass: its fields are its settings. Only ``click`` must be written.

    It keeps nothing between clicks, and may be asked about many objects at once, from several
    threads. A user that draws at random has a field ``seed`` and draws from
    ``look.rng(self.seed)``.
    """

    def click(self, look: Look) -> Click:
        """The next click, the first one included, at a pixel of the image."""
        ...


def user_of(protocol: Protocol) -> User:
    """The simulated user of a protocol.

    Raises:
        IsegmError: there is no such user, or it has no such setting.
    """
    return USERS.make(protocol.user)
