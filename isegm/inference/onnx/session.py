"""The session of an exported network: as ``isegm.core.rounds.Session``, with arrays for tensors."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from isegm.core.boxes import Box
from isegm.core.click import Click
from isegm.utils.regions import regions_at


@dataclass(frozen=True, eq=False)
class ArraySession:
    """One image and one object, as a value; attributes as of ``Session``, except for these.

    Attributes:
        image: ``1 3 H W`` uint8.
        prob, prev_prob, followed: ``1 1 H W`` float32.
        kept: what the encoder made of the view, by name.
        state: the decoder's state, by the names of its inputs; empty before the first answer.
    """

    image: np.ndarray
    prob: np.ndarray
    clicks: tuple[Click, ...] = ()
    box: Box | None = None
    prev_prob: np.ndarray | None = None
    view: Box | None = None
    view_size: tuple[int, int] | None = None
    from_mask: bool = False
    followed: np.ndarray | None = None
    plain: ArraySession | None = None
    kept: dict[str, np.ndarray] = field(default_factory=dict)
    state: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def answered(self) -> bool:
        """Whether ``prob`` is an answer of the network rather than zeros or an initial mask."""
        return self.view is not None

    @property
    def feedback(self) -> np.ndarray:
        """``1 1 H W``: the previous mask that the network is shown next."""
        return self.prob if self.prev_prob is None else self.prev_prob

    def connected(self, connectivity: int, threshold: float) -> ArraySession:
        """The session without the parts of its mask that hold no positive click; as
        ``StructuralIntegrity``.
        """
        session = self.plain or self
        mask = session.prob[0, 0] > threshold
        points = [(int(click.y), int(click.x)) for click in session.clicks if click.positive]
        removed = mask & ~regions_at(mask, points, connectivity)
        return replace(session, prob=np.where(removed, np.float32(0), session.prob), plain=session)
