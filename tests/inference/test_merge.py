"""Correcting a given mask: one region per click, in published form and guarded."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from painted import Painted

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.registry import build
from isegm.core.rounds import Prediction, Round
from isegm.inference.engine import Engine
from isegm.inference.merge import ProgressiveMerge, merged_mask
from isegm.inference.predictor import Finish, Predictor
from isegm.inference.protocol import load_protocol
from isegm.inference.sizes import with_crops
from isegm.inference.views.whole_image import WholeImage
from isegm.inference.views.zoom_in import ZoomIn
from isegm.methods.checkpoints import save_model
from isegm.methods.focalclick import focalclick_segformer
from isegm.utils.regions import largest_region, without_small_regions


def square(top: int, left: int, side: int = 10) -> np.ndarray:
    mask = np.zeros((50, 50), bool)
    mask[top : top + side, left : left + side] = True
    return mask


OLD = square(0, 0)


def test_only_the_region_under_the_click_is_taken_over() -> None:
    new = OLD | square(20, 20) | square(40, 40, 5)
    assert np.array_equal(merged_mask(OLD, new, 25, 25), OLD | square(20, 20))
    assert np.array_equal(merged_mask(OLD | square(40, 0), OLD, 45, 5), OLD)


def test_regions_that_touch_at_a_corner_are_one() -> None:
    new = OLD | square(20, 20) | square(30, 30)
    assert np.array_equal(merged_mask(OLD, new, 25, 25), new)


def test_a_click_without_effect_floods_or_empties_the_mask_as_published_but_not_if_guarded() -> (
    None
):
    new = OLD | square(20, 20, 7)
    flooded = merged_mask(OLD, new, 45, 5)
    assert flooded.sum() == 2500 - 49
    emptied = merged_mask(OLD, new, 5, 5)
    assert emptied.sum() == 0
    for y, x in ((45, 5), (5, 5)):
        assert np.array_equal(merged_mask(OLD, new, y, x, guarded=True), OLD)


def red(mask: np.ndarray) -> np.ndarray:
    image = np.zeros((*mask.shape, 3), np.uint8)
    image[mask] = (255, 0, 0)
    return image


class Watching(Painted):
    """Remembers the previous masks it was shown."""

    def forward(self, round_: Round) -> Prediction:
        self.shown.append(round_.prev_prob[0, 0] > 0.5)
        return super().forward(round_)


def test_the_user_sees_the_merged_mask_and_the_network_its_own() -> None:
    model = Watching(0)
    model.shown = []
    predictor = Predictor(model, WholeImage(), finish=Finish(merge=ProgressiveMerge()))
    answer = square(20, 20) | square(35, 0)  # what the network says, whatever is clicked
    session = predictor.click(predictor.start(red(answer), OLD), Click(25, 25, True))
    assert np.array_equal(session.prob[0, 0].numpy(), OLD | square(20, 20))
    later = predictor.click(session, Click(40, 5, True))
    assert np.array_equal(later.prob[0, 0].numpy(), OLD | square(20, 20) | square(35, 0))
    assert [
        torch.equal(a, torch.from_numpy(b)) for a, b in zip(model.shown, (OLD, answer), strict=True)
    ] == [True, True]
    assert np.array_equal(
        session.prob[0, 0].numpy(), OLD | square(20, 20)
    )  # the earlier session is as it was


def test_a_session_that_starts_from_nothing_is_not_merged() -> None:
    predictor = Predictor(Painted(0), WholeImage(), finish=Finish(merge=ProgressiveMerge()))
    answer = square(20, 20) | square(35, 0)
    session = predictor.click(predictor.start(red(answer)), Click(25, 25, True))
    assert np.array_equal(session.prob[0, 0].numpy() > 0.5, answer)
    assert session.prev_prob is None


def test_an_unknown_merge_is_an_error() -> None:
    with pytest.raises(IsegmError, match="guarded"):
        ProgressiveMerge(kind="garded")


def test_the_protocol_prescribes_the_merge_and_the_second_look() -> None:
    protocol = load_protocol("focalclick")
    predictor = protocol.predictor(Painted(0))
    assert predictor.finish.merge == ProgressiveMerge(0.5, "published")
    assert predictor.finish.refine == {"expansion": 1.4}
    assert load_protocol("ritm").predictor(Painted(0)).finish.merge is None


def test_users_get_the_guarded_merge(tmp_path) -> None:
    described = focalclick_segformer("tiny", width=16)
    save_model(tmp_path / "model.safetensors", build(described), described)
    engine = Engine(tmp_path / "model.safetensors", device="cpu")
    assert engine.protocol.label == "focalclick v1 (merge=guarded)"
    assert engine._predictor.finish.merge.kind == "guarded"


def test_every_view_has_one_size_and_the_crop_always_follows_the_object() -> None:
    zoom = load_protocol("focalclick").predictor(Painted(0)).rule
    assert zoom == ZoomIn((256, 256), 1, 1.4, 10, 0.49, 2.0, None, True)
    predictor = Predictor(Painted(0), zoom)
    session = predictor.start(red(square(20, 20)))
    assert zoom.view(session, (Click(25, 25, True),)).size == (256, 256)
    session = predictor.click(session, Click(25, 25, True))
    view = zoom.view(session, (Click(25, 25, True), Click(0, 0, False)))
    assert view.size == (256, 256)
    assert 10 < view.source.height < 25
    moved = dataclasses.replace(session, box=view.source, prob=torch.roll(session.prob, 2, -1))
    after = zoom.view(moved, (Click(25, 25, True), Click(0, 0, False))).source
    assert after.left == view.source.left + 2  # by two pixels, where RITM's crop would stand still


def test_an_answer_squeezed_into_an_old_crop_is_first_brought_to_the_size_of_its_source() -> None:
    predictor = Predictor(Painted(5), ZoomIn((16, 16), 1, 1.4, 10, resize_whole=True))
    start = predictor.click(predictor.start(red(square(20, 20))), Click(25, 25, True))
    assert start.prob.max() < 0.5
    held = dataclasses.replace(start, box=start.view._replace(bottom=20, right=20))
    session = predictor.click(held, Click(24, 24, True))
    assert session.box == (0, 0, 20, 20)
    assert (session.prob[0, 0, 20:] == 0).all()


def test_flags_change_the_crops() -> None:
    protocol = with_crops(load_protocol("focalclick"), 384, 1.2, 1.6)
    assert protocol.view["size"] == [384, 384]
    assert protocol.view["expansion"] == 1.2
    assert protocol.predictor(Painted(0)).finish.refine == {"expansion": 1.6}
    assert (
        protocol.label
        == "focalclick v1 (zoom.size=[384, 384], zoom.expansion=1.2, refine.expansion=1.6)"
    )
    assert with_crops(load_protocol("focalclick")) == load_protocol("focalclick")


@pytest.mark.parametrize(
    ("name", "flags", "message"),
    [
        ("ritm", {"focus_crop": 1.4}, "ritm has no refine section"),
        ("focalclick", {"infer_size": 8}, "--infer-size 8"),
        ("focalclick", {"target_crop": 0.5}, "--target-crop-r 0.5"),
        ("focalclick", {"focus_crop": 0.5}, "--focus-crop-r 0.5"),
    ],
)
def test_flags_that_make_no_sense_are_refused(name: str, flags: dict, message: str) -> None:
    with pytest.raises(IsegmError, match=message):
        with_crops(load_protocol(name), **flags)


def test_small_regions_are_found_without_diagonals_and_the_largest_with_them() -> None:
    mask = square(0, 0, 3) | square(3, 3, 2) | square(20, 20, 4)
    assert np.array_equal(without_small_regions(mask, 5), square(0, 0, 3) | square(20, 20, 4))
    assert np.array_equal(largest_region(mask), square(20, 20, 4))
    assert np.array_equal(
        largest_region(mask | square(5, 5, 3)), square(0, 0, 3) | square(3, 3, 2) | square(5, 5, 3)
    )
    assert not largest_region(np.zeros((4, 4), bool)).any()
