"""Policies: which mask of a promptable model is taken, and what it is shown next.

A model that offers three masks per prompt has no NoC until somebody chooses. These are the choices
that are in use; the label of every protocol names the one that was made.
"""

from __future__ import annotations

from dataclasses import dataclass

from isegm.core.errors import unknown

NEVER, FIRST, ALWAYS = "never", "first click", "always"


@dataclass(frozen=True)
class Policy:
    """A choice.

    Attributes:
        three: when three masks are asked for, of which the one of the highest predicted IoU is
            taken: ``NEVER``, ``FIRST`` or ``ALWAYS``; otherwise one mask is asked for.
        logits: whether the next click is shown the low-resolution logits of the taken mask.
        used_by: who chooses so.
    """

    three: str
    logits: bool
    used_by: str

    def asks_for_three(self, clicks: int) -> bool:
        """Whether three masks are asked for at the click of this number, from 1 on."""
        return self.three == ALWAYS or (self.three == FIRST and clicks == 1)


POLICIES = {
    "three-then-logits": Policy(FIRST, True, "the documentation of transformers (Sam3Tracker)"),
    "three-always-logits": Policy(ALWAYS, True, "SegNext's notebook for SAM; darktable"),
    "three-first": Policy(FIRST, False, "the first half of the documentation's recipe"),
    "single-then-logits": Policy(NEVER, True, "segment-anything, issue 347"),
    "single": Policy(NEVER, False, "GraCo's evaluation of SAM"),
}
USUAL = "three-then-logits"


def policy_of(name: str) -> Policy:
    """The policy of a name.

    Raises:
        IsegmError: there is none; the nearest are listed.
    """
    if name not in POLICIES:
        raise unknown("policy", name, POLICIES)
    return POLICIES[name]
