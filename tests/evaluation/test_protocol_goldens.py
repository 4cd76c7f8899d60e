"""Click sequences recorded with RITM's evaluator: every click and every IoU must come out the
same.
"""

import re
from dataclasses import replace

import numpy as np
import pytest
from probe import ProbeNet, probe_gt, probe_image

from isegm.core.samples import Sample
from isegm.evaluation.lockstep import Clock, LockStep, LockStepSettings
from isegm.inference.protocol import load_protocol
from isegm.inference.sizes import fixed_size

# (ignore ring, previous mask, zoom): sign(row,col)IoU
SEQUENCES = {
    ("n", "n", "cvpr"): (
        "+(133,186)0.6589 -(59,59)0.7241 +(150,122)0.8228 +(155,146)0.8317 -(168,140)0.8580 "
        "-(134,138)0.7789 +(145,140)0.8839 -(130,232)0.8480 +(133,223)0.8974 "
        "+(165,174)0.8667"
    ),
    ("n", "n", "fixed448"): (
        "+(133,186)0.6511 -(59,59)0.7241 +(150,122)0.8409 +(156,147)0.8344 -(168,145)0.8584 "
        "-(149,106)0.8333 +(156,115)0.8576 -(129,232)0.8278 +(128,222)0.8668 "
        "-(135,139)0.8076"
    ),
    ("n", "n", "none"): (
        "+(133,186)0.6589 -(59,59)0.7329 +(150,122)0.8178 +(156,147)0.7809 -(170,136)0.8531 "
        "-(132,137)0.7950 +(145,138)0.8534 -(149,106)0.8400 +(157,115)0.8417 "
        "-(166,114)0.8520"
    ),
    ("n", "y", "cvpr"): (
        "+(133,186)0.6573 +(150,122)0.7386 -(59,60)0.8207 +(154,146)0.8444 -(167,140)0.8610 "
        "-(134,138)0.7963 +(144,139)0.8719 -(130,232)0.8502 +(129,223)0.8932 "
        "+(165,174)0.8759"
    ),
    ("n", "y", "fixed448"): (
        "+(133,186)0.6458 +(150,122)0.7497 -(59,60)0.8425 +(156,147)0.8429 -(167,140)0.8671 "
        "-(149,106)0.8373 +(155,115)0.8801 -(129,232)0.8565 +(129,223)0.8903 "
        "-(135,139)0.8356"
    ),
    ("n", "y", "none"): (
        "+(133,186)0.6573 +(150,122)0.7520 -(59,60)0.8215 +(156,147)0.7920 -(170,143)0.8478 "
        "-(132,137)0.8223 +(143,139)0.8593 -(150,106)0.8576 +(157,114)0.8494 "
        "-(167,117)0.8709"
    ),
    ("y", "y", "cvpr"): (
        "+(133,186)0.6760 +(150,122)0.7627 -(59,60)0.8507 +(154,146)0.8804 -(167,140)0.8987 "
        "-(135,121)0.8619 +(143,115)0.8871 -(146,105)0.8909 +(141,113)0.8905 "
        "-(135,112)0.9096"
    ),
    ("y", "y", "fixed448"): (
        "+(133,186)0.6611 +(150,122)0.7725 -(59,60)0.8728 +(156,147)0.8772 -(167,140)0.9024 "
        "-(149,106)0.8722 +(155,115)0.9167 +(165,174)0.9223 -(171,166)0.9340 "
        "-(135,130)0.8896"
    ),
    ("y", "y", "none"): (
        "+(133,186)0.6760 +(150,122)0.7817 -(59,60)0.8601 +(156,147)0.8311 -(170,143)0.8906 "
        "-(133,130)0.8751 +(142,134)0.9114 -(135,136)0.8798 +(124,147)0.9203 "
        "-(151,107)0.8703"
    ),
}


class OneSample:
    name = "probe"

    def __init__(self, sample: Sample) -> None:
        self.sample = sample

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Sample:
        return self.sample

    def ids(self) -> list[str]:
        return [self.sample.id]

    def fingerprint(self) -> str:
        return "0" * 64


@pytest.mark.parametrize(("ignore", "prev", "zoom"), SEQUENCES)
def test_clicks_and_ious_are_those_of_the_reference(ignore: str, prev: str, zoom: str) -> None:
    protocol = replace(load_protocol("ritm"), max_clicks=10, stop_iou=0.95)
    protocol = (
        protocol.changed(view={"rule": "whole_image"})
        if zoom == "none"
        else fixed_size(protocol, zoom)
    )
    predictor = protocol.predictor(ProbeNet(prev == "y"))
    dataset = OneSample(Sample(probe_image(), probe_gt(ignore == "y"), "probe"))
    [(_, record)] = LockStep(
        predictor, dataset, protocol, Clock(), LockStepSettings(threads=1)
    ).run([0])
    expected = re.findall(r"([+-])\((\d+),(\d+)\)([\d.]+)", SEQUENCES[ignore, prev, zoom])
    assert [(int(y), int(x), int(sign == "+")) for sign, y, x, _ in expected] == list(record.clicks)
    assert np.round(record.ious, 4) == pytest.approx([float(iou) for *_, iou in expected], abs=1e-6)
