"""FCFI: its state only tells which clicks are unanswered. An exported graph answers clicks one at a
time, so that is the newest one, and no state is needed.
"""

from __future__ import annotations

from typing import ClassVar

from isegm.core.clicks import PADDING, POSITIVE
from isegm.core.rounds import Prediction, Round
from isegm.export.parts.base import OnePass
from isegm.methods.fcfi import FCFI
from isegm.nn.heads.feedback import Corrections


class FCFIParts(OnePass):
    keeps_state: ClassVar[bool] = True

    def answer(self, round_: Round) -> Prediction:
        newest = round_.clicks.last()
        given, label = newest.label != PADDING, (newest.label == POSITIVE).float()
        return self.model.corrected(round_, Corrections(newest.yx, label, given))


METHOD, PARTS = FCFI, FCFIParts
