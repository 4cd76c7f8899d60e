"""The IoU shown during training, at a threshold that adapts to the network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isegm.core.samples import IGNORE


class AdaptiveIoU(nn.Module):
    """Mean IoU at the best of three neighboring thresholds, towards which the threshold drifts
    (RITM's ``AdaptiveIoU``).

    For monitoring only: it affects neither training nor evaluation. Everything stays on the device,
    so an update never waits.

    Args:
        threshold: the initial value.
        step: distance to the two neighbors.
        threshold_inertia, iou_inertia: share of the old value that an update keeps.
    """

    def __init__(
        self,
        threshold: float = 0.4,
        step: float = 0.025,
        threshold_inertia: float = 0.99,
        iou_inertia: float = 0.9,
    ):
        super().__init__()
        self.threshold_inertia, self.iou_inertia = threshold_inertia, iou_inertia
        self.register_buffer(
            "steps", torch.tensor([0, -step, step], dtype=torch.float64), persistent=False
        )
        for name, value in (
            ("threshold", threshold),
            ("smoothed", 0.0),
            ("total", 0.0),
            ("updates", 0.0),
        ):
            self.register_buffer(name, torch.tensor(value, dtype=torch.float64))

    @torch.no_grad()
    def update(self, logits: Tensor, target: Tensor) -> None:
        """Add one batch, both ``B 1 H W``; targets as in the losses. A batch without any object
        changes nothing.
        """
        truth = target > 0.5
        prob = torch.where(target == IGNORE, -1.0, logits.float().sigmoid())  # below any threshold
        candidates = self.threshold + self.steps
        ious = torch.stack([_mean_iou(prob > threshold, truth) for threshold in candidates])
        best = ious.argmax(0, keepdim=True)  # the first one of a tie: stay rather than drift
        any_object = truth.any()

        threshold = torch.where(any_object, candidates.gather(0, best)[0], self.threshold)
        iou = ious.gather(0, best)[0]
        self.threshold.lerp_(threshold, 1 - self.threshold_inertia)
        self.smoothed.lerp_(torch.where(any_object, iou, self.smoothed), 1 - self.iou_inertia)
        self.total += iou * any_object
        self.updates += any_object

    @property
    def epoch_iou(self) -> Tensor:
        """The mean over the updates since ``reset``, a scalar; 0 before the first."""
        return self.total / self.updates.clamp(min=1)

    def reset(self) -> None:
        """Begin an epoch; the threshold and the smoothed IoU carry over."""
        self.total.zero_()
        self.updates.zero_()


def _mean_iou(pred: Tensor, truth: Tensor) -> Tensor:
    """The mean over the samples in which either has any pixel; float64 scalar."""
    intersection = (pred & truth).sum((1, 2, 3)).double()
    union = (pred | truth).sum((1, 2, 3)).double()
    return (intersection / union.clamp(min=1)).sum() / (union > 0).sum().clamp(min=1)
