"""SegNext: the image is encoded once, its protocol, published files, and what it refuses."""

from __future__ import annotations

import dataclasses
import functools
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
from isegm.methods.checkpoints import save_model
from isegm.methods.segnext import SegNext, segnext, tiny
from isegm.nn.backbones.image_vit import ImageViT
from isegm.originals.loading import load_model, save_published
from isegm.originals.segnext import KEYS, publish, recognise
from isegm.reference.twin import slow_twin

CLICKS = (Click(60, 80, True), Click(10, 150, False), Click(90, 20, True))


@pytest.fixture
def model() -> SegNext:
    torch.manual_seed(0)
    return tiny().eval()


@pytest.fixture
def passes(model: SegNext) -> list[tuple[int, ...]]:
    """The shapes of the images that the backbone has seen."""
    seen: list[tuple[int, ...]] = []
    model.backbone.register_forward_hook(lambda _, given, __: seen.append(tuple(given[0].shape)))
    return seen


def photograph(*size: int) -> torch.Tensor:
    return torch.randint(0, 255, (1, 3, *size), dtype=torch.uint8)


def round_of(size: tuple[int, int], *clicks: Click) -> Round:
    torch.manual_seed(0)
    return Round(torch.rand(1, 3, *size), Clicks.of(clicks), torch.rand(1, 1, *size))


class TestEncodeOnce:
    def test_a_later_click_does_not_run_the_backbone(
        self, model: SegNext, passes: list[tuple[int, ...]]
    ) -> None:
        predictor = load_protocol("segnext").for_dataset("synthetic").predictor(model)
        session = predictor.start(photograph(120, 160))
        for click in CLICKS:
            session = predictor.click(session, click)
        assert passes == [(1, 3, 96, 96)]

    def test_undo_and_branches_share_the_features(
        self, model: SegNext, passes: list[tuple[int, ...]]
    ) -> None:
        predictor = load_protocol("segnext").for_dataset("synthetic").predictor(model)
        first = predictor.click(predictor.start(photograph(120, 160)), CLICKS[0])
        branches = [predictor.click(first, click) for click in CLICKS[1:]]
        assert len(passes) == 1
        assert not torch.equal(branches[0].prob, branches[1].prob)
        assert all(branch.features.data_ptr() == first.features.data_ptr() for branch in branches)

    def test_kept_features_answer_as_fresh_ones(self, model: SegNext) -> None:
        predictor = load_protocol("segnext").for_dataset("synthetic").predictor(model)
        session = predictor.click(predictor.start(photograph(120, 160)), CLICKS[0])
        forgetful = dataclasses.replace(session, features=None, view=None)
        answers = [predictor.click(s, CLICKS[1]).prob for s in (session, forgetful)]
        assert torch.equal(*answers)

    def test_a_view_that_moves_is_encoded_again(
        self, model: SegNext, passes: list[tuple[int, ...]]
    ) -> None:
        predictor = load_protocol("segnext").for_dataset("synthetic").predictor(model)
        first = predictor.click(predictor.start(photograph(120, 160)), CLICKS[0])
        predictor.click(dataclasses.replace(first, view_size=(48, 48)), CLICKS[1])
        assert len(passes) == 2

    def test_training_learns_through_the_backbone(self, model: SegNext) -> None:
        model(round_of((64, 64), CLICKS[0])).logits.sum().backward()
        assert any(p.grad is not None for p in model.backbone.parameters())


class TestProtocol:
    def test_the_whole_image_is_stretched_to_a_square(self, model: SegNext) -> None:
        protocol = load_protocol("segnext").for_dataset("DAVIS")
        predictor = protocol.predictor(model)
        view = predictor.request(predictor.start(photograph(90, 200)), Click(10, 10, True)).view
        assert view.size == (1024, 1024)
        assert view.source == view.target == (0, 0, 90, 200)
        assert (view.aligned, view.logits, protocol.mirror) == (False, True, False)
        assert (protocol.mask_threshold, protocol.stop_iou, protocol.max_clicks) == (0.49, 0.95, 20)

    def test_another_size_is_a_square_too(self) -> None:
        protocol = load_protocol("segnext")
        assert protocol.rule.resized(512) == {"size": [512, 512]}

    def test_answers_return_as_logits(self, model: SegNext) -> None:
        predictor = load_protocol("segnext").for_dataset("synthetic").predictor(model)
        session = predictor.click(predictor.start(photograph(100, 140)), CLICKS[0])
        with torch.inference_mode():
            request = predictor.request(predictor.start(session.image), CLICKS[0])
            logits = model(predictor._round([request])).logits
        resized = torch.nn.functional.interpolate(logits, (100, 140), mode="bilinear")
        assert torch.allclose(session.prob, resized.sigmoid(), atol=1e-6)

    def test_click_positions_are_rounded_half_up(self, model: SegNext) -> None:
        round_ = round_of((64, 64), Click(20.5, 30.49, True))
        whole = dataclasses.replace(round_, clicks=Clicks.of([Click(21, 30, True)]))
        assert torch.equal(model.prompt_map(round_), model.prompt_map(whole))

    def test_the_reference_answers_alike(self, model: SegNext) -> None:
        round_ = round_of((64, 64), Click(20.3, 30.7, True), Click(50, 10, False))
        with torch.no_grad():
            assert torch.equal(model(round_).logits, slow_twin(model)(round_).logits)


@functools.cache
def published_spec() -> Spec:
    """A small network that the original code can express: its windows are 224 pixels."""
    parts = segnext("tiny", 64, sax=2)["args"]
    body = segnext(size=448)["args"]["backbone"]["args"] | {"channels": 96, "depth": 6, "heads": 4}
    return spec(SegNext, **{**parts, "backbone": spec(ImageViT, **body)})


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


def argument(name: str, **changes: Any) -> dict[str, Any]:
    return publish(published_spec()).config["params"][name]["value"] | changes


class TestPublishedFiles:
    def test_a_file_is_read_and_written_again(self, tmp_path: Path) -> None:
        loaded = load_model(written(tmp_path / "vitb.pth"))
        assert (loaded.source, loaded.spec) == ("SegNext (published)", published_spec())
        assert loaded.report.complete
        save_published(tmp_path / "again.pth", loaded)
        first, again = (
            torch.load(tmp_path / name, weights_only=True) for name in ("vitb.pth", "again.pth")
        )
        assert again["config"] == first["config"]
        assert set(again["state_dict"]) == set(first["state_dict"])
        assert all(torch.equal(again["state_dict"][k], v) for k, v in first["state_dict"].items())

    def test_it_can_be_converted(self, tmp_path: Path) -> None:
        loaded = load_model(written(tmp_path / "vitb.pth"))
        save_model(tmp_path / "ours.safetensors", loaded.model, loaded.spec)
        round_ = round_of((224, 224), Click(50, 60, True))
        with torch.inference_mode():
            answers = [
                m.model(round_).logits for m in (loaded, load_model(tmp_path / "ours.safetensors"))
            ]
        assert torch.equal(*answers)

    @pytest.mark.parametrize(
        ("section", "name", "value"),
        [
            ("backbone_params", "depth", 12),
            ("backbone_params", "patch_size", [14, 14]),
            ("neck_params", "out_dims", [32, 64, 96, 129]),
            ("head_params", "in_select_index", [0, 1, 2]),
            ("fusion_params", "type", "naive"),
        ],
    )
    def test_a_configuration_that_contradicts_the_tensors_is_refused(
        self, tmp_path: Path, section: str, name: str, value: Any
    ) -> None:
        changes = {section: argument(section, **{name: value})}
        with pytest.raises(IsegmError, match=rf"x\.pth: .* says {section}\.{name}="):
            load_model(written(tmp_path / "x.pth", **changes))

    def test_distance_maps_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(IsegmError, match="use_disks=False"):
            load_model(written(tmp_path / "x.pth", use_disks=False))

    def test_the_interval_of_global_attention_comes_from_the_configuration(
        self, tmp_path: Path
    ) -> None:
        changed = argument("backbone_params", global_atten_freq=2)
        loaded = load_model(written(tmp_path / "x.pth", backbone_params=changed))
        assert loaded.spec["args"]["backbone"]["args"]["interval"] == 2

    @pytest.mark.parametrize(
        "missing", ["backbone.fc_norm.weight", "visual_prompts_encoder.proj.bias"]
    )
    def test_every_tensor_must_be_there(self, tmp_path: Path, missing: str) -> None:
        with pytest.raises(IsegmError, match=missing):
            load_model(written(tmp_path / "x.pth", drop=missing))

    def test_cross_attention_is_refused(self) -> None:
        with torch.device("meta"):
            state = KEYS.to_published(build(published_spec()).state_dict())
        shapes = {key: tuple(value.shape) for key, value in state.items()}
        assert recognise({}) is None
        shapes["fusion_blocks.0.image_to_prompt.norm1.weight"] = (96,)
        with pytest.raises(IsegmError, match="cross attention"):
            recognise(shapes)

    def test_what_the_original_has_no_name_for(self) -> None:
        assert publish(segnext("tiny", 64)) is None  # windows of 64 pixels


class TestMistakes:
    def test_unknown_variant(self) -> None:
        with pytest.raises(IsegmError, match="did you mean base"):
            segnext("bace")

    def test_parts_that_do_not_fit(self) -> None:
        parts = segnext("tiny", 64)["args"]
        head = {**parts["head"], "args": {**parts["head"]["args"], "in_channels": [8, 8, 8, 8]}}
        with pytest.raises(IsegmError, match=r"head\.in_channels is"):
            build(spec(SegNext, **{**parts, "head": head}))

    def test_negative_numbers_of_blocks(self) -> None:
        with pytest.raises(IsegmError, match="sax=-1"):
            build(segnext("tiny", 64, sax=-1))

    @pytest.mark.parametrize(
        ("setting", "reason"),
        [
            ({"channels": 50}, "multiple of 12"),
            ({"size": 1000}, "multiple of 16"),
            ({"window": 8}, "window=8"),
            ({"interval": 0}, "interval=0"),
            ({"depth": 0}, "depth=0"),
        ],
    )
    def test_impossible_backbones(self, setting: dict[str, int], reason: str) -> None:
        with pytest.raises(IsegmError, match=reason):
            ImageViT(**setting)

    def test_views_that_windows_do_not_divide(self, model: SegNext) -> None:
        with pytest.raises(IsegmError, match="64 x 80 is the next size"):
            model.backbone(torch.zeros(1, 3, 61, 75))
