"""MFP: two passes from an empty mask, its protocol, published files, and what it refuses."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from golden import golden_tensor

from isegm.core.clicks import Click, Clicks
from isegm.core.errors import IsegmError
from isegm.core.registry import Spec, build, spec
from isegm.core.rounds import Round
from isegm.inference.protocol import load_protocol
from isegm.methods.mfp import MFP, mfp, tiny
from isegm.nn.heads.modulated_pyramid import ModulatedPyramidHead
from isegm.nn.modulation import modulated
from isegm.originals.loading import load_model, save_published
from isegm.originals.mfp import KEYS, publish, recognise
from isegm.originals.simpleclick import recognise as recognise_simpleclick


@pytest.fixture
def model() -> MFP:
    torch.manual_seed(0)
    return tiny().eval()


def round_of(*rows: list[Click], empty: bool = False) -> Round:
    torch.manual_seed(1)
    prev = torch.rand(len(rows), 1, 64, 64)
    return Round(
        torch.rand(len(rows), 3, 64, 64),
        Clicks.cat([Clicks.of(row) for row in rows]),
        torch.zeros_like(prev) if empty else prev,
    )


class TestPasses:
    def test_an_empty_mask_is_answered_twice(self, model: MFP) -> None:
        seen: list[int] = []
        model.backbone.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
        with torch.no_grad():
            model(round_of([Click(20, 30, True)], empty=True))
            assert seen == [1, 1]
            model(round_of([Click(20, 30, True)]))
        assert seen == [1, 1, 1]

    def test_the_second_pass_sees_the_first_answer_and_its_modulation(self, model: MFP) -> None:
        round_ = round_of([Click(20, 30, True)], empty=True)
        with torch.no_grad():
            first = model._logits(round_, round_.prev_prob, round_.prev_prob).sigmoid()
            second = model._logits(round_, first, modulated(first, round_.clicks))
            assert torch.equal(model(round_).logits, second)

    def test_only_the_samples_with_an_empty_mask_are_answered_twice(self, model: MFP) -> None:
        round_ = round_of([Click(20, 30, True)], [Click(40, 10, False)])
        prev = round_.prev_prob.clone()
        prev[1] = 0
        with torch.no_grad():
            together = model(replace(round_, prev_prob=prev)).logits
            alone = model(round_of([Click(20, 30, True)], [Click(40, 10, False)])).logits
        assert torch.allclose(together[0], alone[0], atol=1e-5)
        assert not torch.allclose(together[1], alone[1], atol=1e-3)

    def test_the_modulated_map_matters(self, model: MFP) -> None:
        round_ = round_of([Click(20, 30, True)])
        with torch.no_grad():
            plain = model._logits(round_, round_.prev_prob, round_.prev_prob)
            assert not torch.allclose(model(round_).logits, plain, atol=1e-4)


class TestProtocol:
    @pytest.mark.parametrize(("name", "side"), [("GrabCut", 448), ("DAVIS", 672)])
    def test_every_view_is_a_square_of_one_size(self, model: MFP, name: str, side: int) -> None:
        protocol = load_protocol("mfp").for_dataset(name)
        predictor = protocol.predictor(model)
        session = predictor.start(torch.zeros(1, 3, 90, 200, dtype=torch.uint8))
        view = predictor.request(session, Click(10, 10, True)).view
        assert (view.size, view.keeps, protocol.mirror) == ((side, side), True, True)
        assert protocol.mask_threshold == 0.5

    def test_what_lies_outside_a_crop_keeps_its_probability(self, model: MFP) -> None:
        protocol = load_protocol("mfp").for_dataset("synthetic")
        predictor = protocol.predictor(model)
        prob = torch.full((300, 300), 0.25)
        prob[20:40, 20:40] = 0.9
        session = replace(
            predictor.start(torch.zeros(1, 3, 300, 300, dtype=torch.uint8), prob),
            view=(0, 0, 300, 300),
            view_size=(96, 96),
        )
        after = predictor.click(session, Click(30, 30, True))
        inside = torch.zeros(300, 300, dtype=torch.bool)
        box = after.view
        inside[box.top : box.bottom, box.left : box.right] = True
        assert 0 < inside.sum() < inside.numel()
        assert torch.equal(after.prob[0, 0][~inside], prob[~inside])
        zeros = protocol.with_entries("view", keeps=False).predictor(model)
        assert not zeros.click(session, Click(30, 30, True)).prob[0, 0][~inside].any()


@functools.cache
def published_spec() -> Spec:
    """A small network that the original code can express: its head is 256 wide."""
    parts = mfp("tiny", 64)["args"]
    body = mfp(size=224)["args"]["backbone"]["args"] | {"channels": 96, "depth": 8, "heads": 4}
    scales = parts["neck"]["args"]["out_channels"]
    return spec(
        MFP,
        **{
            **parts,
            "backbone": {**parts["backbone"], "args": body},
            "head": spec(ModulatedPyramidHead, in_channels=scales, width=256),
        },
    )


def written(path: Path, drop: str | None = None, **changes: Any) -> Path:
    """A file as the original code base writes it, with some arguments of its model changed."""
    with torch.device("meta"):
        named = KEYS.to_published(build(published_spec()).state_dict())
    state = {key: golden_tensor(key, tuple(v.shape)) for key, v in named.items() if key != drop}
    config = publish(published_spec()).config
    for name, value in changes.items():
        config["params"][name]["value"] = value
    torch.save({"state_dict": state, "config": config}, path)
    return path


class TestPublishedFiles:
    def test_a_file_is_read_and_written_again(self, tmp_path: Path) -> None:
        loaded = load_model(written(tmp_path / "mfp.pth"))
        assert (loaded.source, loaded.spec) == ("MFP (published)", published_spec())
        assert loaded.report.complete
        save_published(tmp_path / "again.pth", loaded)
        first, again = (
            torch.load(tmp_path / name, weights_only=True) for name in ("mfp.pth", "again.pth")
        )
        assert again["config"] == first["config"]
        assert set(again["state_dict"]) == set(first["state_dict"])
        assert all(torch.equal(again["state_dict"][k], v) for k, v in first["state_dict"].items())

    def test_it_is_not_taken_for_simpleclick(self) -> None:
        with torch.device("meta"):
            state = KEYS.to_published(build(published_spec()).state_dict())
        shapes = {key: tuple(value.shape) for key, value in state.items()}
        assert recognise_simpleclick(shapes) is None
        assert recognise(shapes, {"backbone_params": {"num_heads": 4}}) is not None
        assert recognise({}) is None

    def test_the_modulation_comes_from_the_configuration(self, tmp_path: Path) -> None:
        loaded = load_model(written(tmp_path / "x.pth", N=5, R_max=80))
        assert (loaded.model.early, loaded.model.reach) == (5, 80)

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [({"random_split": True}, "random_split=True"), ({"use_disks": False}, "use_disks=False")],
    )
    def test_what_only_the_original_can_do_is_refused(
        self, tmp_path: Path, changes: dict[str, Any], reason: str
    ) -> None:
        with pytest.raises(IsegmError, match=reason):
            load_model(written(tmp_path / "x.pth", **changes))

    def test_every_tensor_must_be_there(self, tmp_path: Path) -> None:
        missing = "head.refine_fusion.1.norm2.running_var"
        with pytest.raises(IsegmError, match=missing):
            load_model(written(tmp_path / "x.pth", drop=missing))

    def test_what_the_original_has_no_name_for(self) -> None:
        assert publish(mfp("tiny", 64)) is None


class TestMistakes:
    def test_unknown_variant(self) -> None:
        with pytest.raises(IsegmError, match="did you mean base"):
            mfp("basse")

    def test_coordinate_features(self) -> None:
        parts = mfp("tiny", 64)["args"]
        body = {**parts["backbone"]["args"], "side_channels": 3}
        with pytest.raises(IsegmError, match=r"set backbone\.side_channels=4"):
            build(spec(MFP, **{**parts, "backbone": {**parts["backbone"], "args": body}}))
