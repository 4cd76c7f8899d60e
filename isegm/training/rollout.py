"""Training is a conversation: play a few clicks without gradients, then learn from the next answer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from isegm.core.clicks import NEGATIVE, PADDING, POSITIVE, Clicks
from isegm.core.errors import IsegmError
from isegm.core.rounds import Round
from isegm.methods.base import ClickModel

MISSED, EXTRA = 1, 2  # what can be wrong with a pixel: object not found, background taken for object


@dataclass(frozen=True)
class ClickPolicy:
    """How the simulated user behaves during training (RITM: three rounds at most, everything else off).

    Attributes:
        max_rounds: the number of simulated corrections is drawn from 0 .. max_rounds, once per global batch.
        round_decay: each number is so many times as likely as the one before; 1 is uniform (EMC-Click: 0.8).
        only_first_click: keep only the first sampled click of each sample, as methods do that start from one click.
        prev_drop: probability of showing a sample no previous mask in the round that is learnt from.
        threshold: a pixel counts as object above this probability and as background below it.
        extra_round: the number is drawn from 0 .. max_rounds - 1, and a batch whose every sample has several positive clicks
            gets one more (ClickAttention).
        restart: probability that a global batch is learnt from as it begins for a user: with one click per sample, made on
            an empty answer, instead of the sampled ones (ClickAttention: 0.02).
        replay: probability that an object which was shown in an earlier epoch comes back as it was, with one click more that
            corrects the answer it got (FCA-Net: 0.7); see ``isegm.training.object_replay``.
        replay_threshold: a pixel counts as object above this probability in that answer.
        proportional_side: which kind of error is corrected is drawn with probabilities proportional to their depths, instead of
            always the deeper one (EMC-Click).

    Raises:
        IsegmError: a negative number of corrections, a probability outside [0, 1], or a decay of 0.
    """

    max_rounds: int = 3
    only_first_click: bool = False
    prev_drop: float = 0.0
    threshold: float = 0.49
    extra_round: bool = False
    restart: float = 0.0
    replay: float = 0.0
    replay_threshold: float = 0.2
    round_decay: float = 1.0
    proportional_side: bool = False

    def __post_init__(self) -> None:
        if self.max_rounds < 0:
            raise IsegmError(f"clicks.max_rounds={self.max_rounds}: expected at least 0")
        for name in ("prev_drop", "threshold", "restart", "replay", "replay_threshold"):
            if not 0 <= getattr(self, name) <= 1:
                raise IsegmError(f"clicks.{name}={getattr(self, name)}: expected a number from 0 to 1")
        if not 0 < self.round_decay <= 1:
            raise IsegmError(f"clicks.round_decay={self.round_decay}: expected a number above 0 and at most 1, e.g. 0.8")


def draw_rounds(policy: ClickPolicy, seed: int, step: int, several: bool = False) -> int:
    """The number of rounds of one global batch; the same on every process, so that all have equal work.

    Args:
        several: every sample of the global batch has several positive clicks; only ``extra_round`` asks for it.
    """
    extra = policy.extra_round and policy.max_rounds > 0
    rng, count = np.random.default_rng([seed, step]), policy.max_rounds + (not extra)
    if policy.round_decay == 1:
        drawn = int(rng.integers(count))
    else:
        weights = policy.round_decay ** np.arange(count)
        drawn = int(rng.choice(count, p=weights / weights.sum()))
    return drawn + (extra and several)


def draw_restart(policy: ClickPolicy, seed: int, step: int) -> bool:
    """Whether a global batch begins anew; see ``ClickPolicy.restart``."""
    # A trailing 0 in a seed changes nothing, so without the 1 this would be the generator of the rounds at step 0.
    return policy.restart > 0 and np.random.default_rng([seed, step, 0, 1]).random() < policy.restart


def first_clicks(target: Tensor, seeds: Sequence[int], threshold: float = 0.49, pool: Executor | None = None) -> Clicks:
    """One click per sample, as the simulated user makes it on an empty answer; arguments as in ``rollout``."""
    rngs = [np.random.default_rng([seed, 0]) for seed in seeds]
    yx, label = next_clicks(torch.zeros_like(target, dtype=torch.float32), target, rngs, threshold, pool)
    return Clicks(yx[:, None], label[:, None])


@torch.no_grad()
def rollout(
    model: ClickModel,
    image: Tensor,
    target: Tensor,
    clicks: Clicks,
    policy: ClickPolicy,
    seeds: Sequence[int],
    rounds: int,
    pool: Executor | None = None,
) -> Round:
    """Play ``rounds`` corrections with the network in eval mode and return the round to learn from.

    Args:
        image: ``B 3 H W`` float in [0, 1].
        target: ``B 1 H W``, 1 = object, 0 = background, -1 = ignored.
        clicks: the sampled clicks, in pixels of the crop.
        seeds: one non-negative number per sample; all that is random about a sample follows from it.
        rounds: see ``draw_rounds``.
        pool: threads for the distance transforms.

    Source: RITM (arXiv 2102.06583), section 4. The simulated clicks come after the sampled ones.
    # differs from the original: it has a fixed number of slots and writes a simulated click over a sampled one once they are
    # full; here nothing is overwritten.
    """
    if policy.only_first_click:
        clicks = clicks.first()
    nothing = image.new_zeros(target.shape, dtype=torch.float32)
    round_ = Round(image, clicks, nothing, seeds=tuple(seeds), initial_clicks=clicks.label.shape[1])
    if not rounds:
        return round_
    with evaluating(model):
        for index in range(rounds):
            pred = model(round_)
            prob = pred.logits.float().sigmoid()
            rngs = [np.random.default_rng([seed, index]) for seed in seeds]
            yx, label = next_clicks(prob, target, rngs, policy.threshold, pool, policy.proportional_side)
            known = round_.clicks.append(yx, label)
            round_ = replace(round_, clicks=known, prev_prob=prob, state=pred.state, fresh_view=False)
    round_ = replace(round_, state=model.trainable_state(round_.state))
    if policy.prev_drop:
        keep = [np.random.default_rng([seed, rounds]).random() >= policy.prev_drop for seed in seeds]
        prev_prob = round_.prev_prob * torch.tensor(keep, device=image.device).view(-1, 1, 1, 1)
        round_ = replace(round_, prev_prob=prev_prob)
    return round_


def next_clicks(
    prob: Tensor,
    target: Tensor,
    rngs: Sequence[np.random.Generator],
    threshold: float = 0.49,
    pool: Executor | None = None,
    proportional_side: bool = False,
) -> tuple[Tensor, Tensor]:
    """Where the simulated user clicks next.

    The larger of the two kinds of error is corrected, larger meaning the greater distance to its border (a tie: background);
    the click falls at random on a pixel more than half as deep as the deepest. Ignored pixels count as background.

    Args:
        prob: ``B 1 H W`` in [0, 1], of any floating type.
        target: ``B 1 H W``, object above 0.5.
        rngs: one generator per sample.
        proportional_side: draw the kind of error with probabilities proportional to the two depths; the pixel must still be
            more than half as deep as the deepest of both kinds, and where none is, no click is made (EMC-Click).

    Returns:
        ``yx`` (``B 2`` float64) and ``label`` (``B`` int64; padding where nothing is wrong), both on the CPU.
    """
    wanted, prob = target > 0.5, prob.float()
    error = MISSED * (wanted & (prob < threshold)) + EXTRA * (~wanted & (prob > threshold))
    errors = error[:, 0].to(torch.uint8).cpu().numpy()  # the only copy from the device
    click_on = _click_on_either if proportional_side else _click_on
    found = list((pool.map if pool else map)(click_on, errors, rngs))
    return (
        torch.tensor([(y, x) for y, x, _ in found], dtype=torch.float64).view(-1, 2),
        torch.tensor([label for *_, label in found], dtype=torch.int64),
    )


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode for a while; afterwards every module has its own mode back, frozen normalisation layers included."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _click_on(error: np.ndarray, rng: np.random.Generator) -> tuple[int, int, int]:
    missed, missed_corner = _depth(error == MISSED)
    extra, extra_corner = _depth(error == EXTRA)
    positive = missed.max() > extra.max()
    depth, corner = (missed, missed_corner) if positive else (extra, extra_corner)
    return _click_deeper_than(depth.max() / 2, depth, corner, POSITIVE if positive else NEGATIVE, rng)


def _click_on_either(error: np.ndarray, rng: np.random.Generator) -> tuple[int, int, int]:
    missed, missed_corner = _depth(error == MISSED)
    extra, extra_corner = _depth(error == EXTRA)
    deepest = np.array([missed.max(), extra.max()], np.float64)
    if not deepest.any():
        return 0, 0, PADDING
    positive = rng.random() < deepest[0] / deepest.sum()
    depth, corner = (missed, missed_corner) if positive else (extra, extra_corner)
    return _click_deeper_than(deepest.max() / 2, depth, corner, POSITIVE if positive else NEGATIVE, rng)


def _click_deeper_than(
    limit: float, depth: np.ndarray, corner: tuple[int, int], label: int, rng: np.random.Generator
) -> tuple[int, int, int]:
    candidates = np.flatnonzero(depth > limit)
    if not len(candidates):
        return 0, 0, PADDING
    y, x = divmod(int(candidates[rng.integers(len(candidates))]), depth.shape[1])
    return corner[0] + y, corner[1] + x, label


def _depth(wrong: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Distance of the wrong pixels to the border of their region, in their bounding box, and the box's top left corner.

    The image border counts as a region border. Cutting to the box is exact: a path to a right pixel outside never is shorter
    than one to the frame of right pixels around the box.
    """
    rows, cols = np.flatnonzero(wrong.any(1)), np.flatnonzero(wrong.any(0))
    if not len(rows):
        return np.zeros((1, 1), np.float32), (0, 0)
    top, left = int(rows[0]), int(cols[0])
    box = wrong[top : rows[-1] + 1, left : cols[-1] + 1].view(np.uint8)
    framed = np.pad(box, 1)
    return cv2.distanceTransform(framed, cv2.DIST_L2, 5)[1:-1, 1:-1], (top, left)
