"""The structural integrity strategy: a mask keeps only the regions that a positive click lies in.

Source: Lin et al., CVPR 2020, the paper on attention to the first click.

Post-processing for any method. The user sees and corrects the remaining mask, while the network,
the zoom-in and progressive merge continue from the original answer: for the same clicks, they see
the same with and without it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from isegm.core.errors import IsegmError
from isegm.utils.regions import regions_at

if TYPE_CHECKING:  # protocols are also read where torch is missing
    from isegm.core.rounds import Session

CONNECTIVITIES = (4, 8)


@dataclass(frozen=True)
class StructuralIntegrity:
    """Remove the parts of a session's mask that hold no positive click.

    Without a positive click in the mask, nothing is left. Negative clicks play no part.

    Attributes:
        connectivity: 4, or 8 to count diagonal neighbors too.
            # differs from the original: the paper says 8; its released code does 4, and its numbers
            come from that.
        threshold: a pixel is in the mask if its probability is above this.

    Raises:
        IsegmError: another connectivity.
    """

    connectivity: int = 4
    threshold: float = 0.5

    def __post_init__(self) -> None:
        if self.connectivity not in CONNECTIVITIES:
            given = f"structural integrity with connectivity {self.connectivity!r}"
            raise IsegmError(f"{given}: expected 4 or 8")

    def __call__(self, session: Session) -> Session:
        """The session with probability 0 where parts were removed; ``plain`` is the one before."""
        return self.many([session])[0]

    def many(self, sessions: Sequence[Session]) -> list[Session]:
        """``__call__`` for several sessions, of images of any sizes; labels regions once."""
        before = [session.plain or session for session in sessions]
        if not before:
            return []
        # The masks lie below one another, with an empty row between them to keep them apart.
        sizes = [session.prob.shape[-2:] for session in before]
        tops = list(itertools.accumulate((height + 1 for height, _ in sizes), initial=0))
        shape = tops[-1], max(width for _, width in sizes)
        stack = before[0].prob.new_zeros(shape).bool()
        for session, top, (height, width) in zip(before, tops, sizes, strict=False):
            stack[top : top + height, :width] = session.prob[0, 0] > self.threshold
        masks = stack.cpu().numpy()
        placed = zip(before, tops, strict=False)
        clicks = [(top, click) for session, top in placed for click in session.clicks]
        points = [(top + int(click.y), int(click.x)) for top, click in clicks if click.positive]
        kept = regions_at(masks, points, self.connectivity)
        removed = stack.new_tensor(masks & ~kept)
        after = []
        for session, top, (height, width) in zip(before, tops, sizes, strict=False):
            prob = session.prob.masked_fill(removed[top : top + height, :width], 0)
            after.append(replace(session, prob=prob, plain=session))
        return after


def says_nothing(session: Session) -> bool:
    """Whether a session was post-processed without any positive click.

    Its mask is empty then, whatever the network answers.
    """
    return session.plain is not None and not any(click.positive for click in session.clicks)
