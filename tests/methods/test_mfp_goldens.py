"""MFP against values recorded with the original code.

Recording rule: weights by ``golden_tensor`` under the original names, in the original
PlainVitModel_prevMod: a narrow copy of 12 blocks of 48 channels with 4 heads, for crops of 448, a
pyramid of 16, 32, 48, 64 channels and the fixed head of 256. The round is ``golden_round``. The
session is the original predictor on ``golden_image`` with the five clicks of SESSION, mirrored,
every view at 448 x 448; before it the weights of the clicks' patch embedding were multiplied by 30
and those of the classifier by 300, and its bias set to 24, so that answers lie around 0.5 and move.
The clicks of SEQUENCES come from the original predictor and simulated user on ``ProbeNet``.
"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from golden import golden_round, golden_tensor, statistics
from golden_heads import fingerprint, golden_image
from probe import ProbeNet, probe_gt, probe_image

from isegm.core.clicks import Click
from isegm.core.registry import Spec, build, spec
from isegm.inference.protocol import load_protocol
from isegm.methods.mfp import MFP, SIDE, mfp
from isegm.nn.backbones.plain_vit import PlainViT
from isegm.nn.heads.modulated_pyramid import ModulatedPyramidHead
from isegm.nn.heads.simple_pyramid import SimplePyramid
from isegm.nn.weights import load_strictly
from isegm.originals.mfp import KEYS, recognise

SIZE = (1_487_039, 266)  # numbers and keys of the narrow copy
# mean, standard deviation, minimum, maximum, [10, 10], centre, at 448 x 448
ONE_PASS = (-0.0277247, 0.0025071, -0.037038, -0.00807066, -0.0241366, -0.0278538)
TWO_PASSES = (-0.0277083, 0.00249627, -0.0357981, -0.00785133, -0.0243698, -0.0278996)
SESSION = [
    Click(120, 160, True),
    Click(60, 200, True),
    Click(30, 41, False),
    Click(151, 100, True),
    Click(140, 108, False),
]
# mean, standard deviation, five probes, and at the newest click; of the probabilities
ANSWERS = [
    (0.5097441, 0.08779782, 0.9964354, 0.7383475, 0.7049001, 0.5199711, 0.4789318, 0.3940412),
    (0.5110053, 0.08478578, 0.9957467, 0.7225567, 0.7101325, 0.5109898, 0.5286252, 0.3882717),
    (0.5223067, 0.0811117, 0.9956011, 0.7524452, 0.7011748, 0.4983189, 0.5264274, 0.5666095),
    (0.5087042, 0.0847984, 0.995787, 0.7266766, 0.713866, 0.4807455, 0.5187051, 0.3182907),
    (0.5200174, 0.07859084, 0.9957821, 0.7198891, 0.7072498, 0.5172855, 0.5252199, 0.7110587),
]
SEQUENCES = {  # with a ring of unknown truth or without: sign(row,col)IoU
    False: (
        "+(133,186)0.6451 +(150,122)0.7486 -(59,60)0.8426 +(156,147)0.8459 -(167,141)0.8662 "
        "-(150,106)0.8369 +(155,115)0.8810 -(130,232)0.8529"
    ),
    True: (
        "+(133,186)0.6602 +(150,122)0.7711 -(59,60)0.8727 +(156,147)0.8797 -(167,141)0.9006 "
        "-(150,106)0.8706 +(155,115)0.9165 +(165,174)0.9263"
    ),
}


def narrow() -> Spec:
    scales = (16, 32, 48, 64)
    return spec(
        MFP,
        backbone=spec(PlainViT, channels=48, heads=4, side_channels=SIDE),
        neck=spec(SimplePyramid, in_channels=48, out_channels=scales),
        head=spec(ModulatedPyramidHead, in_channels=scales),
    )


@pytest.fixture
def model() -> MFP:
    made = build(narrow()).eval()
    named = KEYS.to_published(made.state_dict())
    tensors = {key: golden_tensor(key, tuple(value.shape)) for key, value in named.items()}
    assert (sum(value.numel() for value in tensors.values()), len(tensors)) == SIZE
    load_strictly(made, tensors, "golden weights", KEYS)
    return made


@pytest.mark.parametrize("expected", [ONE_PASS, TWO_PASSES])
def test_outputs_equal_the_original_network(model: MFP, expected: tuple[float, ...]) -> None:
    round_ = golden_round(448, 448)
    if expected is TWO_PASSES:
        round_ = replace(round_, prev_prob=torch.zeros_like(round_.prev_prob))
    with torch.inference_mode():
        found = statistics(model(round_).logits)
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_a_session_equals_the_original_predictor(model: MFP) -> None:
    with torch.no_grad():
        model.backbone.patch_embed_coords.proj.weight *= 30
        model.head.conv_seg.weight *= 300
        model.head.conv_seg.bias.fill_(24)
    predictor = load_protocol("mfp").predictor(model)
    session = predictor.start(golden_image())
    for click, expected in zip(SESSION, ANSWERS, strict=True):
        session = predictor.click(session, click)
        prob = session.prob[0, 0]
        found = [*fingerprint(prob), float(prob[int(click.y), int(click.x)])]
        assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("ignored", SEQUENCES)
def test_views_are_those_of_the_original_predictor(ignored: bool) -> None:
    predictor = load_protocol("mfp").predictor(ProbeNet(prev_mask=True))
    session, gt = predictor.start(probe_image()), probe_gt(ignored)
    for sign, row, column, iou in re.findall(r"([+-])\((\d+),(\d+)\)([\d.]+)", SEQUENCES[ignored]):
        session = predictor.click(session, Click(int(row), int(column), sign == "+"))
        mask = session.prob[0, 0].numpy() > 0.5
        both, either = (mask & (gt == 1)).sum(), ((mask | (gt == 1)) & (gt >= 0)).sum()
        assert both / either == pytest.approx(float(iou), abs=6e-5)


def test_the_published_network_is_recognised() -> None:
    with torch.device("meta"):
        state = KEYS.to_published(build(mfp()).state_dict())
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    assert recognise(shapes).spec == mfp()
