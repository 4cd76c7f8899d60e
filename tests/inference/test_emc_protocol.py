"""EMC-Click's protocol: whole images by their shorter side, and its flags."""

from pathlib import Path

import pytest
import torch

from isegm.core.boxes import whole
from isegm.core.errors import IsegmError
from isegm.core.rounds import Session
from isegm.inference.protocol import load_protocol
from isegm.inference.sizes import fixed_size, with_crops
from isegm.inference.views.whole_image import WholeImage
from isegm.methods import emc_click

PROTOCOL = load_protocol("emc_click")


def view_size(rule: WholeImage, height: int, width: int) -> tuple[int, int]:
    view = rule.view(
        Session(torch.zeros(1, 3, height, width), torch.zeros(1, 1, height, width)), []
    )
    assert view.source == view.target == whole(height, width)
    assert view.held is None
    return view.size


@pytest.mark.parametrize(
    ("image", "size"),
    [
        ((240, 320), (384, 512)),
        ((480, 854), (384, 680)),  # 683 before it is cut
        ((500, 333), (576, 384)),  # 576.58 is rounded to 577
        ((384, 385), (384, 384)),
        ((2, 3), (384, 576)),
    ],
)
def test_views(image: tuple[int, int], size: tuple[int, int]) -> None:
    assert view_size(PROTOCOL.predictor(emc_click.tiny()).rule, *image) == size


def test_settings() -> None:
    predictor = PROTOCOL.predictor(emc_click.tiny())
    assert predictor.mirror
    assert (PROTOCOL.mask_threshold, PROTOCOL.label) == (0.5, "emc_click v1")
    davis = PROTOCOL.for_dataset("DAVIS").predictor(emc_click.tiny()).rule
    assert davis == WholeImage(size=576, multiple=4)


def test_eval_modes() -> None:
    assert fixed_size(PROTOCOL, None) == fixed_size(PROTOCOL, "emc-click") == PROTOCOL
    cvpr = fixed_size(PROTOCOL, "cvpr")
    assert cvpr.label == "emc_click v1 (whole.size=400)"
    assert cvpr.for_dataset("GrabCut").view == {"rule": "whole_image", "size": 400, "multiple": 4}
    assert cvpr.for_dataset("DAVIS").view == {"rule": "whole_image", "size": 600, "multiple": 4}
    fixed = fixed_size(PROTOCOL, "fixed256").for_dataset("DAVIS").predictor(emc_click.tiny()).rule
    assert view_size(fixed, 100, 300) == (256, 256)
    with pytest.raises(IsegmError, match="under protocol ritm: expected cvpr, fixedN"):
        fixed_size(load_protocol("ritm"), "emc-click")
    assert fixed_size(load_protocol("ritm"), None).label == "ritm v1"


def test_infer_size_is_the_shorter_side() -> None:
    small = with_crops(PROTOCOL, infer_size=192)
    assert small.label == "emc_click v1 (whole.size=192)"
    assert view_size(small.for_dataset("DAVIS").predictor(emc_click.tiny()).rule, 240, 320) == (
        192,
        256,
    )
    with pytest.raises(IsegmError, match="WholeImage has no setting for a crop"):
        with_crops(PROTOCOL, target_crop=1.5)


def test_unknown_keys_of_the_section_are_named(tmp_path: Path) -> None:
    (tmp_path / "p.yml").write_text("name: p\nversion: 1\nview: {rule: whole_image, sise: 400}\n")
    with pytest.raises(IsegmError, match=r"p\.yml: .*view rule whole_image .* did you mean size"):
        load_protocol(str(tmp_path / "p.yml"))
