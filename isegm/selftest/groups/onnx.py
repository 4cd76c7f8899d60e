"""The exported starter on onnxruntime's GPU provider (or its CPU one), against torch on the CPU."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path

import numpy as np

from isegm.core.clicks import Click
from isegm.inference.protocol import load_protocol
from isegm.methods.checkpoints import STARTER, find_checkpoint
from isegm.originals.loading import load_model
from isegm.selftest.checks import Check, Figures, NotHere, Place, expect
from isegm.selftest.samples import picture
from isegm.utils.config import load_config

RANK = 6
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = {"cpu": 1e-4, "cuda": 2e-2}  # the GPU provider rounds factors to 10 bits
CLICKS = (Click(60, 80, True), Click(20, 20, False), Click(80, 100, True))


def checks(place: Place) -> list[Check]:
    advice = f"run exported networks with {PROVIDERS['cpu']}"
    return [Check("onnx", "starter", exported_starter, advice, 400)]


def exported_starter(place: Place) -> Figures:
    """Three clicks in a session."""
    lacking = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if lacking:
        raise NotHere(f"{', '.join(lacking)} is not installed: pip install 'isegm[onnx]'")
    import onnxruntime

    provider = PROVIDERS[place.kind]
    if provider not in onnxruntime.get_available_providers():
        raise NotHere(f"onnxruntime has no {provider}: pip install onnxruntime-gpu")
    return compared(provider, TOLERANCE[place.kind])


def compared(provider: str, tolerance: float) -> Figures:
    """Answers on a provider beside torch's on the CPU."""
    # Imported here: both need optional packages.
    from isegm.export.onnx import exported, write
    from isegm.inference.onnx.files import OnnxModel
    from isegm.inference.onnx.predictor import OnnxPredictor

    loaded = load_model(find_checkpoint(load_config(), STARTER))
    protocol = load_protocol(loaded.model.protocol).for_users()
    with tempfile.TemporaryDirectory(prefix="isegm-selftest-") as folder:
        write(exported(loaded, protocol), Path(folder))
        model = OnnxModel(folder, provider)
        torchs, onnxs = protocol.predictor(loaded.model), OnnxPredictor(model, model.protocol)
        image = picture()
        before, after, furthest = torchs.start(image), onnxs.start(image), 0.0
        for click in CLICKS:
            before, after = torchs.click(before, click), onnxs.click(after, click)
            furthest = max(furthest, float(np.abs(after.prob - before.prob.numpy()).max()))
    expect(
        furthest <= tolerance,
        f"answers differ from torch's on the CPU by {furthest:.2g}, expected at most {tolerance:g}",
    )
    return {"prob": furthest, "provider": provider}
