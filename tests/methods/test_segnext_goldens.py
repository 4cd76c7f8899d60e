"""SegNext against values recorded with the original code, and the sizes of its state dicts.

Recording rule: weights by ``golden_tensor`` under the original names. The networks are the original
PlainVitModel in the published sizes, and in a narrow copy: 12 blocks of 48 channels with 4 heads,
a pyramid of 16, 32, 48, 64 channels, and a head of 16. The round is ``golden_round``. The session
is the original BasePredictor on ``golden_image`` with the five clicks of SESSION, after the weights
of the prompts' patch embedding and of the classifier were multiplied by GAIN; otherwise later
clicks would move the answer by less than a millionth.
"""

from __future__ import annotations

import pytest
import torch
from golden import golden_round, golden_tensor, statistics
from golden_heads import fingerprint, golden_image

from isegm.core.clicks import Click
from isegm.core.registry import Spec, build, spec
from isegm.inference.protocol import load_protocol
from isegm.methods.segnext import SegNext, segnext
from isegm.nn.backbones.image_vit import ImageViT
from isegm.nn.heads.simple_pyramid import PyramidHead, SimplePyramid
from isegm.nn.weights import load_strictly
from isegm.originals.segnext import KEYS, recognise

# parameters, keys; by the number of blocks after the prompts
SIZES = {0: (99_613_889, 195), 1: (106_701_761, 207), 2: (113_789_633, 219)}
# mean, standard deviation, minimum, maximum, [10, 10], centre, at 1024 x 1024
NARROW = {
    0: (0.00566239, 0.0296034, -0.150665, 0.132991, -0.0206325, 0.0208873),
    1: (-0.00196688, 0.0315988, -0.140416, 0.146936, -0.00132841, 0.00603526),
    2: (0.00664968, 0.0319805, -0.134679, 0.166301, 0.00570148, 0.0210911),
}
# ViT-B, 2 blocks: (-0.163536, 0.0428751, -0.403358, 0.0407527, -0.172096, -0.150956), which takes
# too long for every day.
GAIN = 30
SESSION = [
    Click(120, 160, True),
    Click(60, 200, True),
    Click(30, 41, False),
    Click(151, 100, True),
    Click(219, 301, False),
]
# mean, standard deviation, five probes, and at the newest click; of the probabilities
ANSWERS = [
    (0.7630118, 0.1854611, 0.3057177, 0.7528166, 0.1372221, 0.9335388, 0.9649984, 0.9699664),
    (0.8902745, 0.06069272, 0.9015772, 0.942771, 0.7778293, 0.9424357, 0.9407148, 0.8779687),
    (0.9209285, 0.04177997, 0.9345612, 0.9485114, 0.8661396, 0.9561767, 0.9536329, 0.9431026),
    (0.9202454, 0.0420687, 0.9337747, 0.9464976, 0.8775557, 0.9559926, 0.9520107, 0.9459114),
    (0.9203036, 0.04198165, 0.9337537, 0.9462649, 0.8794395, 0.9562308, 0.9518784, 0.9137242),
]


def narrow(sax: int) -> Spec:
    scales = (16, 32, 48, 64)
    return spec(
        SegNext,
        backbone=spec(ImageViT, channels=48, heads=4),
        neck=spec(SimplePyramid, in_channels=48, out_channels=scales),
        head=spec(PyramidHead, in_channels=scales, width=16, spare=False),
        sax=sax,
    )


def with_weights(described: Spec) -> SegNext:
    model = build(described).eval()
    named = KEYS.to_published(model.state_dict())
    tensors = {key: golden_tensor(key, tuple(value.shape)) for key, value in named.items()}
    load_strictly(model, tensors, "golden weights", KEYS)
    return model


@pytest.mark.parametrize("sax", NARROW)
def test_outputs_equal_the_original_network(sax: int) -> None:
    with torch.inference_mode():
        found = statistics(with_weights(narrow(sax))(golden_round(1024, 1024)).logits)
    assert found == pytest.approx(NARROW[sax], rel=1e-4, abs=1e-6)


def test_a_session_equals_the_original_predictor() -> None:
    """Image and mask are stretched, clicks rounded, and answers return as logits."""
    model = with_weights(narrow(1))
    with torch.no_grad():
        model.prompts.proj.weight *= GAIN
        model.head.conv_seg.weight *= GAIN
    predictor = load_protocol("segnext").predictor(model)
    session = predictor.start(golden_image())
    for click, expected in zip(SESSION, ANSWERS, strict=True):
        session = predictor.click(session, click)
        prob = session.prob[0, 0]
        found = [*fingerprint(prob), float(prob[int(click.y), int(click.x)])]
        assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("sax", SIZES)
def test_state_dicts_have_the_published_size_and_are_recognised(sax: int) -> None:
    with torch.device("meta"):
        state = KEYS.to_published(build(segnext(sax=sax)).state_dict())
    assert (sum(value.numel() for value in state.values()), len(state)) == SIZES[sax]
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    assert recognise(shapes).spec == segnext(sax=sax)
