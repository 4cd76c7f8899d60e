"""Click sequences recorded with ClickSEG's evaluator: every click, every IoU and the first crops
must come out the same.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from painted import Listed
from probe import ProbeNet, probe_gt, probe_image
from torch import Tensor

from isegm.core import boxes
from isegm.core.clicks import Click, Clicks
from isegm.core.rounds import Prediction, Round
from isegm.core.samples import Sample
from isegm.evaluation.lockstep import Clock, LockStep, LockStepSettings
from isegm.inference.protocol import load_protocol
from isegm.methods.base import ClickModel
from isegm.methods.focalclick import FocalClick
from isegm.nn.focus import focus_box
from isegm.nn.roi import crop_and_resize
from isegm.reference.evaluation_loop import play_sequentially

# (predictor, previous mask, starts from a mask): sign(row,col)IoU
SEQUENCES = {
    (
        "baseline",
        "n",
        "n",
    ): "+(133,186)0.6719 -(59,59)0.7418 +(150,122)0.7738 +(151,142)0.8296 +(158,114)0.8454 "
    "+(141,113)0.8508 -(141,106)0.8597 -(157,106)0.8581 +(159,151)0.8846 +(165,178)0.9158"
    " +(140,143)0.9387 +(160,112)0.9367 "
    "-(161,107)0.9469",
    (
        "baseline",
        "n",
        "y",
    ): "+(148,152)0.8181 +(149,121)0.8522 +(158,114)0.8686 +(158,132)0.8822 -(157,106)0.8868 "
    "+(141,130)0.8997 -(117,232)0.9169 +(117,222)0.9261 +(165,174)0.9447 +(140,112)0.9261"
    " -(139,106)0.9434 -(135,123)0.9469 "
    "+(139,111)0.9428",
    (
        "baseline",
        "y",
        "n",
    ): "+(133,186)0.6601 +(150,122)0.7280 -(59,60)0.8222 +(154,146)0.8372 +(142,143)0.8646 "
    "+(158,114)0.8805 +(141,113)0.8876 +(165,178)0.9153 -(141,106)0.9324 -(157,106)0.9390"
    " +(139,111)0.9225 -(135,112)0.9382 "
    "+(160,112)0.9388",
    (
        "baseline",
        "y",
        "y",
    ): "+(148,152)0.7926 +(150,122)0.8211 +(157,132)0.8523 +(141,113)0.8635 +(159,113)0.8670 "
    "-(141,106)0.8758 -(158,106)0.8827 +(141,132)0.8874 -(117,232)0.9068 +(166,186)0.9388"
    " +(116,222)0.9437 -(136,127)0.9415 "
    "+(140,112)0.9421",
    (
        "focalclick",
        "n",
        "n",
    ): "+(133,186)0.6688 -(59,60)0.7418 +(150,122)0.7638 +(151,141)0.8080 +(158,114)0.8312 "
    "+(141,143)0.8566 +(158,152)0.8867 -(157,106)0.8832 +(142,114)0.8979 +(165,178)0.9308"
    " -(142,106)0.9258 +(159,113)0.9370 "
    "+(140,112)0.9421",
    (
        "focalclick",
        "n",
        "y",
    ): "+(148,152)0.7895 +(150,122)0.8104 +(156,134)0.8424 +(142,133)0.8664 +(158,114)0.8822 "
    "+(141,113)0.8849 -(117,232)0.9050 -(141,107)0.9088 +(140,112)0.9052 +(165,174)0.9252"
    " +(116,222)0.9293 +(160,143)0.9365 "
    "+(166,196)0.9518",
    (
        "focalclick",
        "y",
        "n",
    ): "+(133,186)0.6606 +(150,122)0.7036 -(59,60)0.8173 +(154,145)0.8109 +(143,138)0.8467 "
    "+(158,114)0.8705 +(142,114)0.8909 +(165,178)0.9091 -(157,106)0.9223 +(159,112)0.9340"
    " +(160,133)0.9390 -(142,107)0.9385 "
    "+(140,112)0.9385",
    (
        "focalclick",
        "y",
        "y",
    ): "+(148,152)0.7639 +(150,122)0.7799 +(155,135)0.8128 +(142,132)0.8399 +(158,114)0.8585 "
    "+(141,113)0.8658 +(165,178)0.8946 -(117,232)0.9162 +(159,144)0.9326 +(117,223)0.9372"
    " -(140,107)0.9388 +(140,112)0.9322 "
    "-(136,115)0.9397",
}
# The first target crops and focus crops (top, left, bottom, right) of the FocalClick sequences.
CROPS = {
    ("n", "n"): (
        [(0, 0, 240, 320), (23, 5, 188, 275), (83, 99, 178, 259)],
        [(23, 6, 185, 271), (41, 36, 77, 83), (115, 99, 178, 156), (116, 106, 178, 175)],
    ),
    ("n", "y"): (
        [(0, 0, 240, 320), (83, 98, 178, 263), (83, 88, 178, 265)],
        [(84, 118, 175, 231), (115, 98, 178, 156), (121, 99, 178, 168), (83, 87, 176, 260)],
    ),
    ("y", "n"): (
        [(0, 0, 240, 320), (23, 5, 187, 274), (23, 5, 188, 274)],
        [(24, 8, 184, 268), (96, 68, 187, 175), (23, 24, 94, 95), (119, 110, 178, 179)],
    ),
    ("y", "y"): (
        [(0, 0, 240, 320), (84, 98, 177, 263), (84, 90, 177, 264)],
        [(85, 122, 174, 226), (115, 98, 177, 156), (120, 100, 177, 169), (84, 95, 166, 208)],
    ),
}
PROTOCOL = replace(load_protocol("focalclick"), max_clicks=13, stop_iou=0.95)


class FocalProbe(FocalClick):
    """FocalClick around the probe network; its refiner adds the brightness of the crop to the
    coarse answer.
    """

    def __init__(self, prev_mask: bool) -> None:
        ClickModel.__init__(self)
        self.probe = ProbeNet(prev_mask)

    def encode_image(self, image: torch.Tensor) -> None:
        """Nothing is known of an image alone."""

    def forward(self, round_: Round) -> Prediction:
        return Prediction(
            self.probe(round_).logits, {"features": torch.zeros(len(round_.image), 4, 64, 64)}
        )

    def look_closer(
        self, pred: Prediction, image: Tensor, clicks: Clicks, places: Tensor
    ) -> tuple[Tensor, Tensor]:
        coarse = crop_and_resize(pred.logits, places, tuple(image.shape[-2:]))
        return coarse + 4 * (image.mean(1, keepdim=True) - 0.5), coarse

    def reference(self) -> FocalProbe:
        return self


def init_mask() -> np.ndarray:
    y, x = np.mgrid[:240, :320].astype(np.float64)
    return (((y - 128) / 30) ** 2 + ((x - 200) / 38) ** 2 <= 1).astype(np.float32)


def sample(init: str) -> Sample:
    return Sample(probe_image(), probe_gt(True), "probe", init_mask() if init == "y" else None)


def network(kind: str, prev: str) -> ClickModel:
    return (FocalProbe if kind == "focalclick" else ProbeNet)(prev == "y")


def expected(key: tuple[str, str, str]) -> tuple[list[tuple[int, int, int]], list[float]]:
    found = re.findall(r"([+-])\((\d+),(\d+)\)([\d.]+)", SEQUENCES[key])
    return [(int(y), int(x), int(sign == "+")) for sign, y, x, _ in found], [
        float(iou) for *_, iou in found
    ]


@pytest.mark.parametrize("how", ["lock-step", "sequential"])
@pytest.mark.parametrize(("kind", "prev", "init"), SEQUENCES)
def test_clicks_and_ious_are_those_of_the_reference(
    kind: str, prev: str, init: str, how: str
) -> None:
    predictor, dataset = PROTOCOL.predictor(network(kind, prev)), Listed([sample(init)])
    if how == "sequential":
        [(_, record)] = play_sequentially(predictor, dataset, PROTOCOL, [0], Clock())
    else:
        [(_, record)] = LockStep(
            predictor, dataset, PROTOCOL, Clock(), LockStepSettings(threads=1)
        ).run([0])
    clicks, ious = expected((kind, prev, init))
    assert list(record.clicks) == clicks
    assert np.round(record.ious, 4) == pytest.approx(ious, abs=1e-6)


@pytest.mark.parametrize(("prev", "init"), CROPS)
def test_first_crops_are_those_of_the_reference(
    prev: str, init: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    focused = []

    def recorded(*args, **kwargs):
        focused.append(focus_box(*args, **kwargs))
        return focused[-1]

    monkeypatch.setattr("isegm.methods.focalclick.focus_box", recorded)
    predictor, shown = PROTOCOL.predictor(network("focalclick", prev)), sample(init)
    session, target = predictor.start(shown.image, shown.init_mask), []
    for y, x, positive in expected(("focalclick", prev, init))[0][:4]:
        session = predictor.click(session, Click(y, x, bool(positive)))
        target.append(tuple(session.view))
    assert target[:3] == CROPS[prev, init][0]
    assert [tuple(box) for box in focused] == CROPS[prev, init][1]
    assert boxes.whole(240, 320) == target[0]
