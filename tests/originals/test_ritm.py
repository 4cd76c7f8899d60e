"""Published files of RITM: recognised, loaded strictly, converted there and back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from golden import golden_round, golden_tensor

from isegm.core.errors import IsegmError
from isegm.core.registry import build, spec
from isegm.methods.checkpoints import save_model
from isegm.methods.ritm import click_maps, ritm_hrnet, with_loss
from isegm.nn.clicks.fusion import ConvExtend, RGBConv
from isegm.nn.losses.focal import FocalLoss
from isegm.originals.loading import load_model, save_published
from isegm.originals.ritm import publish, recognise

REPOSITORY = Path(__file__).parents[2]
TINY = ritm_hrnet(width=8, depth="tiny", ocr_width=16)
# Narrow networks of the published depth: the same keys as the real ones, a tenth of the time.
VARIANTS = {
    "itermask_small": ritm_hrnet(4, "small", 8),
    "itermask_full": ritm_hrnet(4, "full", 8),
    "baseline": ritm_hrnet(4, "full", 8, prev_mask=False),
    "rgb_conv": ritm_hrnet(4, "small", 8, fusion=spec(RGBConv, in_channels=3, norm_first=True)),
    "conv_extend": ritm_hrnet(4, "small", 8, fusion=spec(ConvExtend, in_channels=3)),
    "distance_maps": ritm_hrnet(4, "small", 8, click_map="distance", click_radius=260),
}


def golden_state(described: dict) -> dict[str, torch.Tensor]:
    """A state dict in the published layout."""
    layout = publish(described)
    shapes = {
        key: tuple(value.shape)
        for key, value in layout.keys.to_published(build(described).state_dict()).items()
    }
    return {key: golden_tensor(key, shape) for key, shape in shapes.items()}


def published_file(path: Path, described: dict, **config: object) -> Path:
    stored = publish(described).config
    stored["params"].update(
        {
            name: {"type": "builtin", "value": value, "specified": True}
            for name, value in config.items()
        }
    )
    torch.save({"state_dict": golden_state(described), "config": stored}, path)
    return path


@torch.no_grad()
def answer(model) -> torch.Tensor:
    return model(golden_round(48, 64)).logits


def resolved(described: dict) -> dict:
    """A spec with RITM's defaults filled in, for comparison."""
    return {
        "clicks": click_maps(),
        "backbone_lr": 0.1,
        "prev_mask": True,
        **_with_fusion(described["args"]),
    }


def _with_fusion(args: dict) -> dict:
    fusion = {"leaky": True, **args["fusion"]["args"]}
    return {
        **args,
        "fusion": {
            "target": args["fusion"]["target"],
            "args": fusion if "ConvExtend" not in str(args) else {},
        },
    }


class TestPublished:
    @pytest.mark.parametrize("name", VARIANTS)
    def test_files_are_recognised_and_loaded_strictly(self, tmp_path: Path, name: str) -> None:
        path = published_file(tmp_path / "ritm.pth", VARIANTS[name])
        loaded = load_model(path)
        assert loaded.source == "RITM (published)"
        assert loaded.report.complete
        assert not loaded.model.training
        assert resolved(loaded.spec) == resolved(VARIANTS[name])
        state = golden_state(VARIANTS[name])
        ours = publish(VARIANTS[name]).keys.to_published(loaded.model.state_dict())
        assert ours.keys() == state.keys()
        assert all(torch.equal(ours[key], state[key]) for key in state)

    def test_a_bare_state_dict_is_a_published_model_with_published_clicks(
        self, tmp_path: Path
    ) -> None:
        torch.save(golden_state(VARIANTS["itermask_small"]), tmp_path / "bare.pth")
        assert resolved(load_model(tmp_path / "bare.pth").spec) == resolved(
            VARIANTS["itermask_small"]
        )

    def test_the_class_path_in_a_file_means_nothing(self, tmp_path: Path) -> None:
        stored = {"class": "os.system", "params": {}}
        torch.save(
            {"state_dict": golden_state(VARIANTS["baseline"]), "config": stored},
            tmp_path / "file.pth",
        )
        assert load_model(tmp_path / "file.pth").spec["args"]["prev_mask"] is False

    @pytest.mark.parametrize("key", ["feature_extractor.conv1.weight", "maps_transform.3.scale"])
    def test_missing_keys_are_named(self, tmp_path: Path, key: str) -> None:
        state = golden_state(VARIANTS["itermask_small"])
        del state[key]
        torch.save({"state_dict": state}, tmp_path / "cut.pth")
        with pytest.raises(IsegmError, match=f"1 missing: {key}"):
            load_model(tmp_path / "cut.pth")

    def test_unexpected_keys_are_named(self, tmp_path: Path) -> None:
        torch.save(
            golden_state(VARIANTS["itermask_small"]) | {"something.else": torch.rand(1)},
            tmp_path / "more.pth",
        )
        with pytest.raises(IsegmError, match=r"1 unexpected: something\.else"):
            load_model(tmp_path / "more.pth")

    @pytest.mark.parametrize(
        "config",
        [
            {"width": 32},
            {"with_prev_mask": False},
            {"small": False},
            {"binary_prev_mask": True},
            {"clicks_groups": [2, 5]},
        ],
    )
    def test_a_configuration_that_contradicts_the_tensors_is_an_error(
        self, tmp_path: Path, config: dict
    ) -> None:
        path = published_file(tmp_path / "ritm.pth", VARIANTS["itermask_small"], **config)
        with pytest.raises(IsegmError, match=next(iter(config))):
            load_model(path)

    @pytest.mark.parametrize(
        "mark",
        [
            "refiner.image_conv1.0.weight",
            "feature_extractor.FDM.0.weight",
            "latent_head.layers.0.weight",
            "PDM.aff_x",
        ],
    )
    def test_descendants_that_share_the_class_path_are_not_ritm(self, mark: str) -> None:
        shapes = {
            key: tuple(value.shape)
            for key, value in golden_state(VARIANTS["itermask_small"]).items()
        }
        assert recognise(shapes)
        assert recognise(shapes | {mark: (1,)}) is None
        assert recognise(shapes, {"pipeline_version": "s1"}) is None

    def test_fbrs_is_not_ritm(self) -> None:
        shapes = {
            key: tuple(value.shape) for key, value in golden_state(VARIANTS["rgb_conv"]).items()
        }
        fbrs = {key.replace("rgb_conv.1.", "rgb_conv.2."): shape for key, shape in shapes.items()}
        assert recognise(fbrs) is None


class TestConversion:
    def convert(self, *args: object) -> subprocess.CompletedProcess:
        command = [sys.executable, "scripts/convert_weights.py", *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)

    def test_there_and_back(self, tmp_path: Path) -> None:
        source = published_file(tmp_path / "published.pth", VARIANTS["itermask_small"])
        there = self.convert(source, tmp_path / "ours.safetensors")
        assert there.returncode == 0, there.stderr
        assert "929 tensors match" in there.stdout
        back = self.convert(tmp_path / "ours.safetensors", tmp_path / "back.pth")
        assert back.returncode == 0, back.stderr

        before, after = (torch.load(p, weights_only=True) for p in (source, tmp_path / "back.pth"))
        assert before["config"] == after["config"]
        assert before["state_dict"].keys() == after["state_dict"].keys()
        assert all(
            torch.equal(value, after["state_dict"][key])
            for key, value in before["state_dict"].items()
        )
        assert torch.equal(
            answer(load_model(source).model),
            answer(load_model(tmp_path / "ours.safetensors").model),
        )

    def test_half_precision_is_for_this_package(self, tmp_path: Path) -> None:
        save_model(tmp_path / "tiny.safetensors", build(TINY), TINY)
        done = self.convert(
            tmp_path / "tiny.safetensors", tmp_path / "half.safetensors", "--dtype", "fp16"
        )
        assert done.returncode == 0, done.stderr
        assert load_model(tmp_path / "half.safetensors").spec == TINY
        failed = self.convert(
            tmp_path / "tiny.safetensors", tmp_path / "tiny.pth", "--dtype", "fp16"
        )
        assert failed.returncode == 2
        assert "float32 only" in failed.stderr

    def test_another_loss_is_no_other_network(self, tmp_path: Path) -> None:
        described = with_loss(VARIANTS["baseline"], spec(FocalLoss, alpha=0.5, gamma=2))
        save_model(tmp_path / "ours.safetensors", build(described), described)
        ours = load_model(tmp_path / "ours.safetensors")
        assert isinstance(ours.model.instance_loss, FocalLoss)
        save_published(tmp_path / "there.pth", ours)
        there = load_model(tmp_path / "there.pth")
        assert resolved(there.spec) == resolved(VARIANTS["baseline"])
        assert torch.equal(answer(there.model), answer(ours.model))

    def test_errors_are_one_line(self, tmp_path: Path) -> None:
        failed = self.convert(tmp_path / "nothing.pth", tmp_path / "ours.safetensors")
        assert failed.returncode == 2
        assert failed.stderr.count("\n") == 1
        assert "nothing.pth" in failed.stderr

    def test_a_model_the_original_code_does_not_know_is_not_written(self, tmp_path: Path) -> None:
        save_model(tmp_path / "tiny.safetensors", build(TINY), TINY)
        with pytest.raises(IsegmError, match="no original code base"):
            save_published(tmp_path / "tiny.pth", load_model(tmp_path / "tiny.safetensors"))
        assert not (tmp_path / "tiny.pth").exists()
