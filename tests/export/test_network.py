"""An exported network is evaluated like the checkpoint that it was made from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from isegm.cli.commands import run_command
from isegm.core.click import Click
from isegm.core.errors import IsegmError
from isegm.export.onnx import exported, write
from isegm.inference.onnx.network import ExportedNetwork
from isegm.inference.opening import open_model, title_of
from isegm.inference.protocol import load_protocol, protocol_for
from isegm.methods.click_attention import tiny as click_attention
from isegm.methods.fcfi import tiny as fcfi
from isegm.methods.ritm import tiny as ritm
from isegm.methods.segnext import tiny as segnext
from isegm.originals.loading import LoadedModel, load_model

CLICKS = [Click(40, 60, True), Click(10, 90, False), Click(70.5, 30.2, True)]
MADE = {"ritm": ritm, "fcfi": fcfi, "click_attention": click_attention}


def written(name: str, folder: Path) -> tuple[torch.nn.Module, Path]:
    torch.manual_seed(0)
    network = MADE[name]().eval()
    protocol = load_protocol(network.protocol).for_users()
    if name == "click_attention":
        protocol = protocol.with_entries("view", size=[128, 128])
    loaded = LoadedModel(network, {}, "0" * 64, "tiny.safetensors", "tiny", None)
    write(exported(loaded, protocol), folder / "net.onnx")
    return network, folder / "net.onnx"


@pytest.mark.parametrize("name", MADE)
def test_it_answers_as_torch_does(name: str, tmp_path: Path) -> None:
    """With extras, mirror images, and views that move."""
    network, path = written(name, tmp_path)
    loaded = open_model(path)
    assert (loaded.model.title, title_of(loaded)) == (type(network).__name__, "net")
    protocol = protocol_for(loaded.model)
    assert protocol.label == load_protocol(network.protocol).label
    if name == "click_attention":
        protocol = protocol.with_entries("view", size=[128, 128])
    image = np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8)
    ours, theirs = protocol.predictor(network), protocol.predictor(loaded.model)
    before, after = ours.start(image), theirs.start(image)
    for click in CLICKS:
        before, after = ours.click(before, click), theirs.click(after, click)
        assert (after.view, after.view_size) == (before.view, before.view_size)
        torch.testing.assert_close(after.prob, before.prob, rtol=0, atol=1e-4)


def test_a_mask_to_start_from_is_a_previous_mask(tmp_path: Path) -> None:
    network, path = written("ritm", tmp_path)
    protocol = load_protocol("ritm")
    image = np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8)
    mask = np.zeros((90, 130), np.float32)
    mask[20:60, 30:80] = 1
    answers = [
        predictor.click(predictor.start(image, mask), CLICKS[0]).prob
        for predictor in map(protocol.predictor, (network, ExportedNetwork(path)))
    ]
    torch.testing.assert_close(answers[1], answers[0], rtol=0, atol=1e-4)


def test_a_protocol_without_the_mirror_image_is_refused(tmp_path: Path) -> None:
    _, path = written("ritm", tmp_path)
    predictor = load_protocol("starter").predictor(ExportedNetwork(path))
    with pytest.raises(IsegmError, match="averages its answers with those to the mirror image"):
        predictor.click(predictor.start(np.zeros((50, 60, 3), np.uint8)), Click(20, 30, True))


def test_what_it_cannot_be(tmp_path: Path) -> None:
    loaded = LoadedModel(segnext().eval(), {}, "0" * 64, "tiny.safetensors", "tiny", None)
    write(exported(loaded, load_protocol("segnext")), tmp_path)
    with pytest.raises(IsegmError, match="SegNext of several parts"):
        open_model(tmp_path)
    with pytest.raises(IsegmError, match="runs on the CPU, not on cuda"):
        open_model(tmp_path / "decoder.onnx", "cuda")
    with pytest.raises(IsegmError, match="isegm export CHECKPOINT"):
        open_model(tmp_path / "missing.onnx")
    with pytest.raises(IsegmError, match="use the checkpoint that it was exported from"):
        load_model(tmp_path / "decoder.onnx")


def test_an_evaluation_makes_the_clicks_of_the_checkpoint(starter: Path, tmp_path: Path) -> None:
    results = []
    for checkpoint in ("starter", str(starter)):
        file = tmp_path / f"{len(results)}.json"
        words = ["NoBRS", "--checkpoint", checkpoint, "--datasets", "photos", "--limit", "4"]
        words += ["--n-clicks", "4", "--cpu", "--save-json", str(file)]
        words += ["--logs-path", str(tmp_path)]
        assert run_command("evaluate", words) == 0
        results.append(json.loads(file.read_text()))
    first, second = (result["datasets"][0]["objects"] for result in results)
    assert [each["clicks"] for each in first] == [each["clicks"] for each in second]
    assert results[0]["checkpoint"]["sha256"] != results[1]["checkpoint"]["sha256"]
