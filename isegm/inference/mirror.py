"""Flip averaging: a batch is answered together with its mirror image, and the logits are
averaged.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from isegm.core.clicks import Clicks
from isegm.core.rounds import Prediction, Round


def with_mirror(round_: Round) -> Round:
    """The batch followed by its left-right mirror image; ``state`` must already hold rows for both
    halves.
    """

    def both(x: Tensor) -> Tensor:
        return torch.cat([x, x.flip(-1)])

    return replace(
        round_,
        image=both(round_.image),
        clicks=Clicks.cat([round_.clicks, round_.clicks.mirror(round_.image.shape[-1])]),
        prev_prob=both(round_.prev_prob),
        mirrored=True,
    )


def averaged(pred: Prediction) -> Prediction:
    """Average the logits of both halves; extras are those of the straight half, the state keeps
    both.
    """
    straight, mirrored = pred.logits.chunk(2)
    aux = {name: value[: len(straight)] for name, value in pred.aux.items()}
    return replace(pred, logits=0.5 * (straight + mirrored.flip(-1)), aux=aux)
