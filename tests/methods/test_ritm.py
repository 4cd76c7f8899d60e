from __future__ import annotations

import dataclasses

import pytest
import torch
from golden import golden_round

from isegm.core.errors import IsegmError
from isegm.core.registry import build, spec
from isegm.methods.ritm import RITM, ritm_deeplab, ritm_hrnet, tiny, with_loss
from isegm.nn.clicks.fusion import Conv1S, ConvExtend
from isegm.nn.losses.bce import SigmoidBCE
from isegm.nn.losses.focal import FocalLoss, NormalizedFocalLoss
from isegm.nn.losses.iou import SoftIoU

SMALL = {"width": 8, "depth": "tiny", "ocr_width": 16}


def test_learning_rates_are_those_of_the_original_wrapper() -> None:
    model = tiny()
    rates = {}
    for name, _ in model.named_parameters():
        rates.setdefault(
            ".".join(name.split(".")[: 2 if name.startswith("head") else 1]), set()
        ).add(model.lr_multiplier(name))
    assert rates == {
        "backbone": {0.1},
        "head.aux": {0.1},
        "head.classify": {0.1},
        "head.reduce": {1.0},
        "head.attention": {1.0},
        "head.merge": {1.0},
        "fusion": {1.0},
    }
    extended = build(ritm_hrnet(**SMALL, fusion=spec(ConvExtend, in_channels=3)))
    assert extended.lr_multiplier("fusion.conv.weight") == 0.1


def test_losses_are_focal_plus_a_share_of_cross_entropy_on_the_first_guess() -> None:
    model, round_ = tiny().eval(), golden_round(48, 64)
    pred = model(round_)
    target = (torch.rand(1, 1, 48, 64) > 0.5).float()
    losses = model.losses(pred, target, round_)
    assert torch.equal(losses["instance"], NormalizedFocalLoss(0.5, 2)(pred.logits, target).mean())
    assert torch.equal(losses["aux"], 0.4 * SigmoidBCE()(pred.aux["first_guess"], target).mean())
    assert set(build(ritm_hrnet(**SMALL, aux_loss=0)).losses(pred, target, round_)) == {"instance"}


@pytest.mark.parametrize(
    ("described", "loss"),
    [
        (spec(SigmoidBCE), SigmoidBCE()),
        (spec(FocalLoss, alpha=0.5, gamma=2), FocalLoss(0.5, 2)),
        (spec(NormalizedFocalLoss, alpha=0.5, gamma=2), NormalizedFocalLoss(0.5, 2)),
        (spec(SoftIoU), SoftIoU()),
    ],
    ids=["bce", "focal", "nfl", "soft_iou"],
)
def test_the_loss_ablation_changes_the_loss_of_the_answer_alone(
    described: dict, loss: torch.nn.Module
) -> None:
    plain, round_ = tiny().eval(), golden_round(48, 64)
    model = build(with_loss(ritm_hrnet(**SMALL), described)).eval()
    model.load_state_dict(plain.state_dict())  # a loss has no weights
    pred = model(round_)
    assert torch.equal(pred.logits, plain(round_).logits)
    target = (torch.rand(1, 1, 48, 64) > 0.5).float()
    found, usual = model.losses(pred, target, round_), plain.losses(pred, target, round_)
    assert torch.equal(found["instance"], loss(pred.logits, target).mean())
    assert torch.equal(found["aux"], usual["aux"])
    assert torch.equal(found["instance"], usual["instance"]) == isinstance(
        loss, NormalizedFocalLoss
    )


@pytest.mark.parametrize("prev_mask", [True, False])
def test_the_previous_mask_is_seen_only_by_the_iterative_model(prev_mask: bool) -> None:
    torch.manual_seed(0)
    model, round_ = build(ritm_hrnet(**SMALL, prev_mask=prev_mask)), golden_round(48, 64)
    seen = {}
    model.fusion.register_forward_pre_hook(
        lambda _, inputs: seen.update(image=inputs[0], coords=inputs[1])
    )
    with torch.no_grad():
        model.eval()(round_)
    assert seen["coords"].shape[1] == 2 + prev_mask
    if prev_mask:
        assert torch.equal(seen["coords"][:, :1], round_.prev_prob)
    assert seen["coords"][0, -2, 20, 30] == 1  # object clicks before background clicks
    assert seen["coords"][0, -1, 20, 30] == 0
    channel = (round_.image[0, 2] - 0.406) / 0.225
    assert torch.allclose(seen["image"][0, 2], channel)


@pytest.mark.parametrize("point", ["A", "B", "C"])
@pytest.mark.parametrize(
    "described", [ritm_hrnet(**SMALL), ritm_deeplab(10, 16)], ids=["hrnet", "deeplab"]
)
def test_decoding_can_be_repeated_from_every_insertion_point(described: dict, point: str) -> None:
    model, round_ = build(described).eval(), golden_round(48, 64)
    with torch.no_grad():
        features = model.encode(round_, point)
        assert torch.equal(model.decode(features, (48, 64), point).logits, model(round_).logits)


@pytest.mark.parametrize(
    ("described", "channels"),
    [
        (ritm_hrnet(**SMALL), {"A": 120, "B": 120, "C": 32}),
        (ritm_deeplab(10, 16), {"A": 512, "B": 48, "C": 16}),
    ],
    ids=["hrnet", "deeplab"],
)
def test_insertion_points_are_those_of_f_brs(described: dict, channels: dict[str, int]) -> None:
    model, round_ = build(described).eval(), golden_round(48, 64)
    assert model.insertion_points == tuple(channels)
    with torch.no_grad():
        assert {point: model.encode(round_, point)[0].shape[1] for point in channels} == channels


def test_deeplab_trains_everything_but_its_backbone_at_the_full_rate() -> None:
    model = build(ritm_deeplab(10, 16))
    assert {
        name.split(".")[0]: model.lr_multiplier(name) for name, _ in model.named_parameters()
    } == {
        "backbone": 0.1,
        "head": 1.0,
        "fusion": 1.0,
    }
    round_ = golden_round(48, 64)
    assert set(model.losses(model.eval()(round_), torch.zeros(1, 1, 48, 64), round_)) == {
        "instance"
    }


def test_gradients_reach_the_previous_mask_and_the_image() -> None:
    model, round_ = tiny().eval(), golden_round(48, 64)
    round_ = dataclasses.replace(
        round_, image=round_.image.requires_grad_(), prev_prob=round_.prev_prob.requires_grad_()
    )
    model(round_).logits.sum().backward()
    assert round_.image.grad is not None
    assert round_.prev_prob.grad is not None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prev_mask": False, "fusion": spec(Conv1S, in_channels=3)}, r"set fusion\.in_channels=2"),
        ({"fusion": spec(Conv1S, in_channels=2)}, r"set fusion\.in_channels=3"),
    ],
)
def test_parts_that_do_not_fit_say_what_would(changes: dict, message: str) -> None:
    with pytest.raises(IsegmError, match=message):
        build(ritm_hrnet(**SMALL, **changes))


def test_a_head_for_another_backbone_says_what_would_fit() -> None:
    described = ritm_hrnet(**SMALL)
    described["args"]["backbone"]["args"]["width"] = 16
    with pytest.raises(IsegmError, match=r"set head\.in_channels=240"):
        build(described)


def test_the_spec_names_the_method() -> None:
    assert ritm_hrnet()["target"] == f"{RITM.__module__}:RITM"
