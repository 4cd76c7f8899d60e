"""A training that stops and is resumed, against one that was not interrupted."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from easydict import EasyDict
from torch import Tensor

from isegm.core.registry import spec
from isegm.data.augment import cropped
from isegm.data.dataset import ClickDataset
from isegm.data.sampling.multi_point import MultiPoint
from isegm.data.sources.synthetic import SyntheticSource
from isegm.methods.ritm import ritm_hrnet
from isegm.selftest.checks import Check, Figures, Place, expect
from isegm.training.checkpoint import read_checkpoint
from isegm.training.experiment import Experiment, Training
from isegm.training.options import RunOptions
from isegm.training.trainer import Trainer
from isegm.training.users.iterative import Iterative

RANK = 3
STEPS, STOP = 4, 2
CROP = (64, 64)
MORE = 2.0  # times the difference of two runs without interruption


def checks(place: Place) -> list[Check]:
    advice = "a resumed run is another run here; report this with the JSON, and train in one go"
    return [Check("resume", "exact resume", exact, advice, 300)]


def exact(place: Place) -> Figures:
    """On a CPU the weights must be equal bit by bit. On a GPU, where some sums depend on the order
    of threads, two uninterrupted runs say how far runs drift apart.
    """
    with tempfile.TemporaryDirectory(prefix="isegm-selftest-") as folder, _repeatable():
        whole = _run(place, Path(folder) / "whole")
        again = _run(place, Path(folder) / "again") if place.on_gpu else whole
        _run(place, Path(folder) / "parts", STOP)
        parts = _run(place, Path(folder) / "parts", resume="auto")
    noise, found = _furthest(whole, again), _furthest(whole, parts)
    expect(
        parts["progress"] == whole["progress"] and parts["progress"]["step"] == STEPS,
        f"the resumed run ended at {parts['progress']}, expected {whole['progress']}",
    )
    randoms = [_tensors(saved["random"]) for saved in (whole, parts)]
    expect(
        all(torch.equal(a, b) for a, b in zip(*randoms, strict=True)),
        "the random generators are in another state after the resume",
    )
    expect(
        found <= MORE * noise,
        f"weights differ by {found:.2g} after the resume; two runs that were not interrupted differ"
        f" by {noise:.2g}",
    )
    return {"weights": found, "without interruption": noise, "steps": STEPS}


@contextlib.contextmanager
def _repeatable() -> Iterator[None]:
    """Ask torch for algorithms that give the same result every time, where it has some."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _run(place: Place, folder: Path, steps: int | None = None, resume: str | None = None) -> dict:
    """Train and return the last checkpoint."""
    cfg = EasyDict(EXPS_PATH=str(folder), WEIGHTS_PATH=str(folder), config_path=str(folder / "c"))
    clicks = spec(MultiPoint, max_clicks=4, gamma=0.8, merge_prob=0.15)
    experiment = Experiment(
        model=ritm_hrnet(width=8, depth="tiny", ocr_width=16),
        data=spec(
            ClickDataset,
            source=spec(SyntheticSource, size=CROP, length=8),
            sampler=clicks,
            augment=spec(cropped, crop=CROP),
            min_object_area=50,
            epoch_len=2 * STEPS,
        ),
        user=spec(Iterative, max_rounds=2),
        train=Training(epochs=1, batch_size=2, workers=0, ema=0.9, log_every=1),
    )
    experiment = replace(experiment, train=replace(experiment.train, max_steps=steps))
    options = RunOptions(cpu=not place.on_gpu, gpus=(0,) if place.on_gpu else (), resume=resume)
    path = Trainer(experiment, cfg, options).fit()
    return read_checkpoint(path / "checkpoints" / "last_checkpoint.pth")


def _tensors(values: Any) -> list[Tensor]:
    """All tensors in nested dictionaries and lists, in their order."""
    if isinstance(values, Tensor):
        return [values]
    if isinstance(values, dict):
        values = list(values.values())
    return [t for v in values for t in _tensors(v)] if isinstance(values, list | tuple) else []


def _furthest(one: dict, other: dict) -> float:
    """The largest difference of weights, averaged weights and moments of the optimizer."""
    names = ("model", "ema", "optimizer")
    pairs = zip(*(_tensors([saved[n] for n in names]) for saved in (one, other)), strict=True)
    return max(float((a.double() - b.double()).abs().max()) for a, b in pairs if a.numel())
