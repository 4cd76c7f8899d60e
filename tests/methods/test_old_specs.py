"""Files that earlier versions wrote load, with click maps as the parts that they are now."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from golden import golden_round
from safetensors.torch import save_file

from isegm.core.errors import IsegmError
from isegm.core.registry import Spec, build
from isegm.methods.cdnet import cdnet
from isegm.methods.clickseg_baseline import clickseg_baseline
from isegm.methods.emc_click import emc_segformer
from isegm.methods.fcanet import fcanet
from isegm.methods.focalclick import focalclick_segformer
from isegm.methods.old_specs import upgraded
from isegm.methods.ritm import ritm_hrnet
from isegm.originals.loading import load_model

HRNET = {
    "target": "isegm.nn.backbones.hrnet:HRNet",
    "args": {"width": 8, "depth": "tiny"},
}
HEAD = {"target": "isegm.nn.heads.ocr:OCRHead", "args": {"in_channels": 120, "width": 16}}
FUSION = {"target": "isegm.nn.encoders.fusion:Conv1S", "args": {"in_channels": 3}}
NEW = {"width": 8, "depth": "tiny", "ocr_width": 16}


def old(**args: object) -> Spec:
    """A RITM as its files described it before."""
    parts = {"backbone": HRNET, "head": HEAD, "fusion": FUSION, "prev_mask": True}
    return {"target": "isegm.methods.ritm:RITM", "args": {**parts, **args}}


@pytest.mark.parametrize(
    ("args", "maps"),
    [
        ({"click_map": "disk", "click_radius": 7}, {"click_radius": 7}),
        ({"click_radius": 7}, {"click_radius": 7}),
        (
            {"click_map": "distance", "click_radius": 80},
            {"click_map": "distance", "click_radius": 80},
        ),
        ({"click_map": "disk"}, {}),
    ],
)
def test_click_maps_become_parts(tmp_path: Path, args: dict, maps: dict) -> None:
    described = ritm_hrnet(**NEW, **maps)
    model = build(described).eval()
    state, metadata = model.state_dict(), {"isegm": "1", "spec": json.dumps(old(**args))}
    save_file(state, tmp_path / "old.safetensors", metadata)
    header = {"isegm": {"kind": "training", "schema": 1}, "spec": old(**args)}
    torch.save({**header, "model": state}, tmp_path / "old.pth")
    with torch.no_grad():
        expected = model(golden_round(48, 64)).logits
        for name in ("old.safetensors", "old.pth"):
            loaded = load_model(tmp_path / name)
            assert loaded.spec == described
            assert torch.equal(loaded.model(golden_round(48, 64)).logits, expected)


def test_without_old_arguments_only_folders_change() -> None:
    described = ritm_hrnet(**NEW)
    assert upgraded(described) == described
    bare = upgraded(old())
    assert "clicks" not in bare["args"]
    assert bare["args"]["fusion"]["target"] == "isegm.nn.clicks.fusion:Conv1S"


def test_widths_of_gaussians() -> None:
    described = fcanet(depths=(1, 1, 1, 3), width=8, head_width=16, click_width=20)
    before = json.loads(json.dumps(described))
    for part, name in (("clicks", "click_width"), ("first_clicks", "first_click_width")):
        before["args"][name] = before["args"].pop(part)["args"]["width"]
    assert upgraded(before) == described


def test_parts_of_parts() -> None:
    before = cdnet(layers=10, width=32, resnet_width=8)
    before["args"]["feature_diffusion"]["args"]["click_radius"] = 12
    after = upgraded(before)["args"]["feature_diffusion"]["args"]
    assert after["clicks"]["args"] == {"radius": 12}
    assert build(upgraded(before)).feature_diffusion.clicks.radius == 12


@pytest.mark.parametrize("damaged", [None, 3, "text", [], {"target": 1, "args": 2}])
def test_what_is_no_spec_is_left_to_the_reader(damaged: object) -> None:
    assert upgraded(damaged) == damaged


def test_an_argument_that_a_target_takes_is_left_alone() -> None:
    described = {"target": "isegm.methods.ritm:ritm_hrnet", "args": {"click_radius": 3}}
    assert upgraded(described) == described


def test_an_unknown_map_in_an_old_file_names_the_nearest() -> None:
    with pytest.raises(IsegmError, match="did you mean disk"):
        upgraded(old(click_map="disc"))


def with_uncalled_layers(name: str) -> tuple[Spec, Spec, dict[str, tuple[int, ...]]]:
    """A spec, the same as its files described it before, and the layers that those held besides."""
    if name == "focalclick":
        new = focalclick_segformer("tiny", width=32)
        before = json.loads(json.dumps(new))
        before["args"]["fusion"]["target"] = "isegm.nn.encoders.fusion:Separate"
        before["args"]["refiner"]["args"]["gate"] = True
        layers = {"fusion.0.weight": (16, 3, 3, 3), "refiner.feature_gate.0.bias": (1,)}
        return new, before, layers
    if name == "emc_click":
        new = emc_segformer("tiny", 16, 32)
        before = json.loads(json.dumps(new))
        before["args"]["backbone"]["args"]["norm_add"] = True
        return new, before, {"backbone.norm_add.weight": (16,)}
    new = clickseg_baseline("pplcnet")
    before = json.loads(json.dumps(new))
    before["args"]["backbone"]["args"]["classifier"] = True
    return new, before, {"backbone.last_conv.weight": (4, 2, 1, 1), "backbone.fc.bias": (3,)}


@pytest.mark.parametrize("name", ["focalclick", "emc_click", "clickseg_baseline"])
def test_layers_that_were_never_called_are_left_out(tmp_path: Path, name: str) -> None:
    new, before, layers = with_uncalled_layers(name)
    model = build(new).eval()
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    held = {key: torch.ones(shape) for key, shape in layers.items()}
    metadata = {"isegm": "1", "spec": json.dumps(before)}
    save_file(state | held, tmp_path / "old.safetensors", metadata)
    loaded = load_model(tmp_path / "old.safetensors")
    assert loaded.spec == new
    assert all(torch.equal(value, state[key]) for key, value in loaded.model.state_dict().items())


def test_a_layer_that_the_spec_did_not_ask_for_is_still_an_error(tmp_path: Path) -> None:
    new, _, layers = with_uncalled_layers("emc_click")
    state = {key: value.contiguous() for key, value in build(new).state_dict().items()}
    held = {key: torch.ones(shape) for key, shape in layers.items()}
    save_file(state | held, tmp_path / "a.safetensors", {"isegm": "1", "spec": json.dumps(new)})
    with pytest.raises(IsegmError, match=r"1 unexpected: backbone\.norm_add\.weight"):
        load_model(tmp_path / "a.safetensors")
