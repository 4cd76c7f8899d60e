"""Cascade-forward refinement (CFR): the network is shown its own answer as the previous mask and
asked again, with the same clicks and the same view.

Source: CFR-ICL (arXiv 2303.05620), where a click is answered by a coarse pass and several
refinements. Written from the paper; its code is not for commercial use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from isegm.core.errors import IsegmError

if TYPE_CHECKING:  # protocols are also read where torch is missing
    from isegm.core.rounds import Session
    from isegm.methods.base import ClickModel

ADAPTIVE = "adaptive"
SETTLED = 20  # pixels; published
MOST_PASSES = 10  # of the adaptive form; our bound, since some answers never settle


@dataclass(frozen=True)
class Cascade:
    """Extra passes after each answer. Every session decides for itself, so no answer depends on the
    sessions it shares a batch with.

    Attributes:
        passes: extra passes per click, at most.
        clicks: only the first clicks of a session get extra passes, up to this many; None: all, as
            in the paper. The published code's default is 1.
        settled: the adaptive form: stop after a pass that changes at most this many pixels of the
            mask in the image; None: make all passes. Published: 20.
        threshold: of the masks that ``settled`` compares, a probability.

    Raises:
        IsegmError: a number that is not whole, or too small.
    """

    passes: int = 1
    clicks: int | None = None
    settled: int | None = None
    threshold: float = 0.49

    def __post_init__(self) -> None:
        for name, least in (("passes", 1), ("clicks", 1), ("settled", 0)):
            value = getattr(self, name)
            optional = value is None and name != "passes"
            if not optional and not (type(value) is int and value >= least):
                raise IsegmError(
                    f"cfr: {name} is {value!r:.40}; expected a whole number, at least {least}"
                )

    def covers(self, clicks: int) -> bool:
        """Whether the click that makes this many gets extra passes."""
        return self.clicks is None or clicks <= self.clicks

    def has_settled(self, before: Session, after: Session) -> bool:
        """Whether the pass between two answers was the last one that is needed."""
        if self.settled is None:
            return False
        changed = (before.prob > self.threshold) != (after.prob > self.threshold)
        return int(changed.sum()) <= self.settled

    def check(self, model: ClickModel) -> None:
        """Raise unless the network takes a previous mask; without one every pass is the same."""
        network = model.unwrapped
        if not network.prev_mask:
            raise IsegmError(
                f"CFR shows a network its own answer, but this {type(network).__name__} takes no"
                " previous mask; leave out --cfr (the protocol's cfr)"
            )


def cascade_settings(passes: int | str, clicks: int | None = None) -> dict[str, Any]:
    """The protocol's setting ``cfr``.

    Args:
        passes: extra passes (0: none), or ``"adaptive"``.
        clicks: see ``Cascade``.

    Raises:
        IsegmError: something else.
    """
    text = str(passes).strip()
    limit = {} if clicks is None else {"clicks": clicks}
    if text == ADAPTIVE:
        settings = {"passes": MOST_PASSES, "settled": SETTLED, **limit}
    elif isinstance(passes, bool) or not text.isdecimal():
        raise IsegmError(
            f"cfr {text!r:.40}: expected a number of extra passes, e.g. 2, or {ADAPTIVE}"
        )
    elif not int(text):
        if clicks is not None:
            raise IsegmError(f"cfr for {clicks} clicks needs extra passes, e.g. 2 instead of 0")
        return {}
    else:
        settings = {"passes": int(text), **limit}
    Cascade(**settings)  # checks the values
    return settings
