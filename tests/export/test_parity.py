"""Every method answers the same in torch and, exported, in onnxruntime: five clicks, three sizes of
images, an empty previous mask included.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import isegm.methods
from isegm.core.click import Click
from isegm.core.errors import IsegmError
from isegm.export.onnx import exported, write
from isegm.inference.onnx.files import OnnxModel
from isegm.inference.onnx.predictor import OnnxPredictor
from isegm.inference.protocol import Protocol, load_protocol
from isegm.methods.base import ClickModel
from isegm.originals.loading import LoadedModel

METHODS = sorted(
    info.name
    for info in pkgutil.iter_modules(isegm.methods.__path__)
    if hasattr(importlib.import_module(f"isegm.methods.{info.name}"), "tiny")
    and info.name not in ("fbrs", "mfp")  # refused, see below
)
SIZES = ((120, 160), (97, 211), (300, 128))
FEW_STEPS = 2  # of CDNet's pixel diffusion, which are unrolled: each takes the exporter seconds
SMALL = {"simpleclick": [128, 128], "click_attention": [128, 128], "cdnet": [96, 96]}


def small(protocol: Protocol, method: str) -> Protocol:
    """The method's own protocol, with small views where it has large ones."""
    protocol = protocol.for_dataset("synthetic").for_users()
    if method in SMALL:
        return protocol.with_entries("view", size=SMALL[method])
    return protocol


def loaded(model: ClickModel) -> LoadedModel:
    return LoadedModel(model.eval(), {}, "0" * 64, "tiny.safetensors", "tiny", None)


def clicks_on(height: int, width: int) -> list[Click]:
    shares = [(0.5, 0.5, True), (0.3, 0.6, True), (0.8, 0.2, False), (0.55, 0.35, True)]
    places = [Click(int(y * height), int(x * width), positive) for y, x, positive in shares]
    return [*places, Click(0.9 * height - 0.3, 0.85 * width - 0.4, False)]


def scaled_up(model: ClickModel) -> ClickModel:
    """Untrained networks answer 0.5 everywhere; the last convolution's contrast is raised, so that
    masks have a shape and views move.
    """
    convs = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d) and m.out_channels == 1]
    with torch.no_grad():
        for conv in convs:
            conv.weight.mul_(2)
    return model


def passes_through(encoder: Path) -> bool:
    """Whether an encoder returns the image and nothing else."""
    session = onnxruntime.InferenceSession(str(encoder))
    if len(session.get_outputs()) > 1:
        return False
    shape = [side if isinstance(side, int) else 70 for side in session.get_inputs()[0].shape]
    image = np.random.default_rng(0).random(shape, np.float32)
    return np.array_equal(session.run(["image_features"], {"image": image})[0], image)


@pytest.mark.parametrize("method", METHODS)
def test_exported_answers_are_those_of_torch(method: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = importlib.import_module(f"isegm.methods.{method}")
    network = scaled_up(module.tiny())
    if method == "cdnet":
        network.pixel_diffusion.steps = FEW_STEPS
    protocol = small(load_protocol(network.protocol), method)
    write(exported(loaded(network), protocol), tmp_path)
    model = OnnxModel(tmp_path)
    assert passes_through(tmp_path / "encoder.onnx") == (model.metadata["encoder"] == "identity")
    ours, theirs = protocol.predictor(network), OnnxPredictor(model, model.protocol)
    rng = np.random.default_rng(0)
    for height, width in SIZES:
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        before, after = ours.start(image), theirs.start(image)
        for click in clicks_on(height, width):
            before, after = ours.click(before, click), theirs.click(after, click)
            assert (after.view, after.view_size) == (before.view, before.view_size)
            np.testing.assert_allclose(after.prob, before.prob.numpy(), rtol=0, atol=1e-4)


def test_test_time_optimization_is_refused(tmp_path: Path) -> None:
    from isegm.inference.modes import with_mode
    from isegm.methods.ritm import tiny

    model, _ = with_mode(tiny(), "f-BRS-B")
    with pytest.raises(IsegmError, match=r"optimizes at test time.*NoBRS"):
        exported(loaded(model), load_protocol("ritm"))


def test_steps_that_depend_on_values_are_refused() -> None:
    from isegm.methods.mfp import tiny

    with pytest.raises(IsegmError, match="MFP cannot be exported"):
        exported(loaded(tiny()), load_protocol("mfp"))


def test_unknown_state_is_refused() -> None:
    from isegm.core.rounds import Prediction, Round

    class Remembers(ClickModel):
        def forward(self, round_: Round) -> Prediction:
            return Prediction(round_.prev_prob, state=round_.prev_prob)

    with pytest.raises(IsegmError, match="keeps something between clicks"):
        exported(loaded(Remembers()), load_protocol("ritm"))


def test_a_single_file_is_refused_for_several_parts(tmp_path: Path) -> None:
    from isegm.export.onnx import Exported

    with pytest.raises(IsegmError, match=r"encoder.onnx, decoder.onnx, refiner.onnx.*folder"):
        write(Exported(dict.fromkeys(("encoder", "decoder", "refiner")), True), tmp_path / "m.onnx")
