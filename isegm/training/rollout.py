"""The interactive part of training: play a few clicks without gradients, then learn from the next
answer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from isegm.core.clicks import Clicks
from isegm.core.rounds import Round
from isegm.methods.base import ClickModel
from isegm.training.users.base import SimulatedUser


def first_clicks(
    target: Tensor, user: SimulatedUser, seeds: Sequence[int], pool: Executor | None = None
) -> Clicks:
    """The simulated user's first click on each sample; arguments as in ``rollout``."""
    rngs = [np.random.default_rng([seed, 0]) for seed in seeds]
    yx, label = user.next_clicks(torch.zeros_like(target, dtype=torch.float32), target, rngs, pool)
    return Clicks(yx[:, None], label[:, None])


def rollout(
    model: ClickModel,
    image: Tensor,
    target: Tensor,
    clicks: Clicks,
    user: SimulatedUser,
    seeds: Sequence[int],
    rounds: int,
    pool: Executor | None = None,
) -> Round:
    """Play ``rounds`` corrections with the network in eval mode and return the round to learn from,
    the last of ``played``.

    Args:
        image: ``B 3 H W`` float in [0, 1].
        target: ``B 1 H W``, 1 = object, 0 = background, -1 = ignored.
        clicks: the sampled clicks, in pixels of the crop.
        seeds: one non-negative number per sample, the source of all its randomness.
        rounds: see ``SimulatedUser.rounds``.
        pool: threads for the distance transforms.

    Source: RITM (arXiv 2102.06583), section 4. The simulated clicks come after the sampled ones.
    # differs from the original: it has a fixed number of slots, and once they are full a simulated
    click overwrites a sampled one; here nothing is overwritten.
    """
    return played(model, image, target, clicks, user, seeds, rounds, pool)[-1]


@torch.no_grad()
def played(
    model: ClickModel,
    image: Tensor,
    target: Tensor,
    clicks: Clicks,
    user: SimulatedUser,
    seeds: Sequence[int],
    rounds: int,
    pool: Executor | None = None,
) -> list[Round]:
    """All ``rounds`` + 1 rounds of a rollout, each ready to be learned from; arguments as in
    ``rollout``.
    """
    nothing = image.new_zeros(target.shape, dtype=torch.float32)
    round_ = Round(image, clicks, nothing, seeds=tuple(seeds), initial_clicks=clicks.label.shape[1])
    made = [round_]
    if not rounds:
        return made
    with evaluating(model):
        for index in range(rounds):
            pred = model(round_)
            prob = pred.logits.float().sigmoid()
            rngs = [np.random.default_rng([seed, index]) for seed in seeds]
            yx, label = user.next_clicks(prob, target, rngs, pool)
            known = round_.clicks.append(yx, label)
            round_ = replace(
                round_, clicks=known, prev_prob=prob, state=pred.state, fresh_view=False
            )
            made.append(replace(round_, state=model.trainable_state(round_.state)))
    return made


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode within the context; afterwards every module has its own mode again, including
    frozen normalisation layers.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
