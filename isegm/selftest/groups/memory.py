"""How much memory a click and a training step of every method need."""

from __future__ import annotations

import gc
from functools import partial
from pathlib import Path

import torch

from isegm.core.clicks import Click
from isegm.core.registry import build
from isegm.inference.protocol import load_protocol
from isegm.inference.speed import for_evaluation
from isegm.methods.base import ClickModel
from isegm.selftest.checks import Check, Figures, Place
from isegm.selftest.samples import batch_of, methods, picture, settled
from isegm.training.experiment import Training
from isegm.training.experiment_file import load_experiment
from isegm.training.learner import Learner
from isegm.training.users.iterative import Iterative
from isegm.utils import memory
from isegm.utils.config import REPOSITORY
from isegm.utils.device import release_freed_memory
from isegm.utils.processes import Process

RANK = 5
MIB = 2**20
IMAGE, CROP, BATCH = (400, 600), (320, 480), 4
SMALL_IMAGE, SMALL_CROP, SMALL_BATCH = (240, 320), (128, 160), 2
ADVICE = "use --micro-batch in training, and smaller views (--infer-size) in evaluation"


def checks(place: Place) -> list[Check]:
    """On a GPU of networks of published size, where the experiments are; else of small ones."""
    scripts = published() if place.on_gpu else {}
    return [
        Check("memory", name, partial(needed, name, scripts.get(name)), ADVICE, 120)
        for name in scripts or methods()
    ]


def published() -> dict[str, Path]:
    """One script per method, trained on the largest data; none outside a clone."""
    folders = sorted(path for path in (REPOSITORY / "models").glob("*") if path.is_dir())
    chosen = {}
    for folder in folders:
        scripts = [p for p in sorted(folder.glob("*.py")) if p.stem != "common"]
        scripts = [p for p in scripts if not p.stem.startswith(("tiny_", "finetune"))]
        largest = [p for p in scripts if p.stem.endswith("cocolvis")] or scripts
        if largest:
            chosen[folder.name] = largest[0]
    return chosen


def needed(name: str, script: Path | None, place: Place) -> Figures:
    """The peaks of a click on an image and of a step, in MiB."""
    device = place.device
    if script is None:
        model, image, crop, batch = settled(name), SMALL_IMAGE, SMALL_CROP, SMALL_BATCH
    else:
        experiment = load_experiment(script).experiment
        model, image, batch = experiment.build(experiment.model), IMAGE, BATCH
        crop = _crop(experiment.data) or CROP
    model = model.to(device)
    figures: dict[str, float | str] = {"network": script.stem if script else "small"}
    figures["parameters M"] = sum(p.numel() for p in model.parameters()) / 1e6
    for what, peak in (("click", _click), ("step", _step)):
        gc.collect()
        if place.on_gpu:
            torch.cuda.empty_cache()
        else:
            release_freed_memory()
        memory.reset_peak(device)
        before = memory.used(device)
        peak(model, image, crop, batch, device)
        figures[f"{what} MiB"] = (memory.peak(device) - (0 if place.on_gpu else before)) / MIB
    figures["batch"] = batch
    return figures


def _crop(data: dict) -> tuple[int, int] | None:
    """The size of the crops that a recipe trains on."""
    augment = data.get("augment")
    crop = augment.get("crop") if isinstance(augment, dict) else None
    return tuple(crop) if crop else None


def _click(
    model: ClickModel,
    image: tuple[int, int],
    crop: tuple[int, int],
    batch: int,
    device: torch.device,
) -> None:
    predictor = load_protocol(model.protocol).predictor(for_evaluation(model))
    session = predictor.start(picture(size=image))
    predictor.click(session, Click(image[0] // 2, image[1] // 2, True))


def _step(
    model: ClickModel,
    image: tuple[int, int],
    crop: tuple[int, int],
    batch: int,
    device: torch.device,
) -> None:
    config = Training(batch_size=batch, amp="auto", channels_last=True)
    parts = (build(part) for part in (config.optimizer, config.schedule))
    learner = Learner(model.train(), config, *parts, Iterative(), Process(device=device))
    try:
        learner.learn(batch_of(batch, crop), 1)
    finally:
        learner.close()
