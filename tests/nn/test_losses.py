from __future__ import annotations

import pytest
import torch

from isegm.nn.adaptive_iou import AdaptiveIoU
from isegm.nn.losses.bce import SigmoidBCE
from isegm.nn.losses.click import clicked_bce
from isegm.nn.losses.diversity import DiversityLoss
from isegm.nn.losses.focal import FocalLoss, NormalizedFocalLoss
from isegm.nn.losses.iou import SoftIoU

LOSSES = [NormalizedFocalLoss(0.5, 2), FocalLoss(0.5, 2), SigmoidBCE(), SoftIoU()]


def probe(ignore: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(48.0), indexing="ij")
    logits = torch.stack([3 * torch.sin(0.1 * x + 0.07 * y), 2 * torch.cos(0.2 * x - 0.05 * y)])[
        :, None
    ]
    distance = (y - 15) ** 2 + (x - 20) ** 2
    target = torch.stack([distance <= 100, distance <= 64]).float()[:, None]
    if ignore:
        target[0, 0][(distance > 100) & (distance <= 144)] = -1
    return logits, target


@pytest.mark.parametrize(
    ("loss", "ignore", "expected"),
    [
        (LOSSES[0], False, (1.105329, 0.824807)),
        (LOSSES[0], True, (1.094580, 0.824807)),
        (LOSSES[1], False, (0.372230, 0.378970)),
        (LOSSES[1], True, (0.360981, 0.378970)),
        (LOSSES[2], False, (1.028622, 1.228343)),
        (LOSSES[2], True, (0.924523, 1.228343)),
        (LOSSES[3], False, (0.802396, 0.958145)),
        (LOSSES[3], True, (0.786402, 0.958145)),
    ],
)
def test_values_of_the_original_code(loss, ignore: bool, expected: tuple[float, float]) -> None:
    assert loss(*probe(ignore)).tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
class TestEveryLoss:
    def test_ignored_pixels_do_not_matter_and_get_no_gradient(self, loss) -> None:
        logits, target = probe(ignore=True)
        changed = torch.where(target == -1, 50.0, logits)
        assert torch.equal(loss(logits, target), loss(changed, target))
        logits.requires_grad_()
        loss(logits, target).sum().backward()
        assert (logits.grad[target == -1] == 0).all()
        assert (logits.grad[target != -1] != 0).any()

    def test_a_better_answer_costs_less(self, loss) -> None:
        logits, target = probe()
        good = 4 * (2 * target - 1)
        assert (loss(good, target) < loss(logits, target)).all()

    def test_low_precision_input_gives_a_float32_answer(self, loss) -> None:
        logits, target = probe()
        with torch.autocast("cpu", torch.bfloat16):
            value = loss(logits.bfloat16(), target)
        assert value.dtype == torch.float32
        assert torch.allclose(value, loss(logits, target), rtol=0.02)

    def test_an_all_ignored_sample_and_extreme_logits_stay_finite(self, loss) -> None:
        logits = torch.tensor([1e4, -1e4]).view(2, 1, 1, 1).repeat(1, 1, 4, 4).requires_grad_()
        for target in (
            torch.full((2, 1, 4, 4), -1.0),
            torch.ones(2, 1, 4, 4),
            torch.zeros(2, 1, 4, 4),
        ):
            value = loss(logits, target)
            value.sum().backward()
            assert value.isfinite().all()
            assert logits.grad.isfinite().all()


def test_soft_targets_count_as_object_above_one_half() -> None:
    logits, _ = probe()
    loss = FocalLoss(alpha=0.9, gamma=0)
    soft = loss(logits, torch.full_like(logits, 0.6))
    as_background = FocalLoss(alpha=0.1, gamma=0)(logits, torch.full_like(logits, 0.6))
    assert torch.allclose(soft, 9 * as_background, rtol=1e-4)


class TestAdaptiveIoU:
    def test_values_of_the_original_code(self) -> None:
        iou = AdaptiveIoU()
        iou.update(*probe())
        assert float(iou.threshold) == pytest.approx(0.39975)
        assert float(iou.smoothed) == pytest.approx(0.01219310, rel=1e-5)
        assert float(iou.epoch_iou) == pytest.approx(0.1219310, rel=1e-5)
        iou.update(*probe(ignore=True))
        assert float(iou.threshold) == pytest.approx(0.39950, rel=1e-5)
        assert float(iou.smoothed) == pytest.approx(0.02411645, rel=1e-5)
        assert float(iou.epoch_iou) == pytest.approx(0.1266788, rel=1e-5)

    def test_a_batch_without_objects_changes_nothing(self) -> None:
        iou = AdaptiveIoU()
        iou.update(*probe())
        before = {key: value.clone() for key, value in iou.state_dict().items()}
        iou.update(torch.randn(2, 1, 8, 8), torch.zeros(2, 1, 8, 8))
        assert all(torch.equal(before[key], value) for key, value in iou.state_dict().items())

    def test_reset_begins_a_new_mean_and_keeps_the_threshold(self) -> None:
        iou = AdaptiveIoU()
        iou.update(*probe())
        iou.reset()
        assert float(iou.epoch_iou) == 0
        assert float(iou.threshold) == pytest.approx(0.39975)


def disks() -> torch.Tensor:
    """Squares of one positive and one negative click in both samples."""
    maps = torch.zeros(2, 2, 32, 48)
    maps[:, 0, 10:15, 18:23] = 1
    maps[:, 1, 25:30, 40:45] = 1
    return maps


def test_clicked_bce_equals_the_original() -> None:
    assert float(clicked_bce(*probe(), disks())) == pytest.approx(1.119591, rel=1e-5)


def test_clicked_bce_weighs_pixels_under_clicks_a_hundred_times() -> None:
    logits, target = probe()
    everywhere = clicked_bce(logits, target, torch.ones(2, 1, 32, 48))
    assert torch.allclose(everywhere, clicked_bce(logits, target, torch.zeros(2, 1, 32, 48)))
    raised = []
    for y, x in ((12, 20), (5, 5)):  # under a click of the first sample, and under none
        changed = logits.clone().requires_grad_()
        clicked_bce(changed, target, disks()).backward()
        error = logits.sigmoid() - target
        raised.append(float(changed.grad[0, 0, y, x] / error[0, 0, y, x]))
    assert raised[0] == pytest.approx(100 * raised[1], rel=1e-4)


class TestDiversity:
    def test_equals_the_original(self) -> None:
        logits, target = probe()
        latent = torch.cat([logits, -logits, logits / 2, logits - 1], 1)
        assert float(DiversityLoss()(latent, target, disks())) == pytest.approx(4.406138, rel=1e-6)

    def test_only_the_best_answer_of_each_sample_must_be_right_everywhere(self) -> None:
        logits, target = probe()
        latent = torch.cat([logits, 3 * (2 * target - 1)], 1)
        latent[1] = latent[1].flip(0)  # in the second sample the first answer is the better one
        latent.requires_grad_()
        at_clicks = sum(clicked_bce(answer, target, disks()) for answer in latent.split(1, 1))
        (DiversityLoss()(latent, target, disks()) - at_clicks).backward()
        learns = latent.grad.abs().amax((2, 3)) > 1e-6
        assert learns.tolist() == [[False, True], [True, False]]

    def test_ignored_pixels_add_nothing(self) -> None:
        logits, target = probe(ignore=True)
        changed = torch.where(target == -1, 50.0, logits)
        assert torch.equal(
            DiversityLoss()(logits, target, disks()), DiversityLoss()(changed, target, disks())
        )

    def test_low_precision_gives_a_float32_loss(self) -> None:
        logits, target = probe()
        with torch.autocast("cpu", torch.bfloat16):
            assert DiversityLoss()(logits.bfloat16(), target, disks()).dtype == torch.float32


def test_focal_losses_of_probabilities_are_those_of_their_logits() -> None:
    logits, target = probe(ignore=True)
    for loss in LOSSES[:2]:
        assert torch.equal(loss.of_prob(logits.sigmoid(), target), loss(logits, target))
