"""Training steps: every switch against plain steps on the CPU, every method, and two processes."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from isegm.core.registry import build
from isegm.methods.base import ClickModel
from isegm.selftest.checks import Check, Figures, NotHere, Place, Wrong, expect
from isegm.selftest.samples import batch_of, copied, methods, settled
from isegm.training.batches import Batch
from isegm.training.experiment import Training
from isegm.training.learner import Learner
from isegm.training.users.iterative import Iterative
from isegm.utils.device import tf32
from isegm.utils.launching import launch
from isegm.utils.processes import Process, joined

RANK = 4
STEPS, BATCH = 3, 4
SCALING_STEPS = 12  # fp16 skips steps until the scale of its losses fits
CONVOLUTIONS, ATTENTION = "ritm", "simpleclick"

# Losses of the first steps, relative to plain ones on the CPU.
SWITCHES: dict[str, tuple[dict[str, Any], float]] = {
    "plain": ({}, 2e-3),
    "channels_last": ({"channels_last": True}, 2e-3),
    "clip, ema": ({"clip": 1.0, "ema": 0.9, "channels_last": True}, 2e-3),
    "bf16": ({"amp": "bf16", "channels_last": True}, 0.1),
}
CHANGE_WHAT_IS_LEARNED = {"clip", "ema"}
COMPILED = ({"compile": True}, 5e-3)
SAME_WEIGHTS = 1e-3  # of two processes and one, after STEPS steps


def checks(place: Place) -> list[Check]:
    plain = CONVOLUTIONS
    made = [
        Check("training", f"{plain} {name}", partial(switch, plain, *how), advice(name))
        for name, how in SWITCHES.items()
    ]
    made += [Check("training", f"{plain} fp16", scaled, advice("fp16"))]
    made += [
        Check("training", f"{method} with corrections", partial(corrected, method), advice("plain"))
        for method in methods()
    ]
    broken = "use one process; if this is not all that fails, see NCCL_DEBUG=INFO"
    made += [Check("training", "two processes", two_processes, broken, 300)]
    return made + [
        Check("training", f"{method} compile", partial(compiled, method), advice("compile"), 400)
        for method in (CONVOLUTIONS, ATTENTION)
    ]


def advice(name: str) -> str:
    if name == "plain":
        return "do not train on this device: see the checks of precision first"
    return f"train without {name.partition(',')[0]}: docs/how-to/train.md says where it is set"


def switch(method: str, settings: dict[str, Any], tolerance: float, place: Place) -> Figures:
    """Losses of a few steps on one batch, without corrections."""
    model, batch = settled(method), batch_of(BATCH)
    plain = {name: settings[name] for name in CHANGE_WHAT_IS_LEARNED & settings.keys()}
    expected, _ = _steps(copied(model, torch.device("cpu")), plain, batch, Process())
    with tf32(False):
        there = copied(model, place.device)
        losses, norm = _steps(there, settings, batch, Process(device=place.device))
    furthest = max(abs(a / b - 1) for a, b in zip(losses, expected, strict=True))
    expect(
        furthest <= tolerance,
        f"losses {_shown(losses)} instead of {_shown(expected)}: they differ by {furthest:.2g},"
        f" expected at most {tolerance:g}",
    )
    return {"loss": furthest, "weights": norm}


def compiled(method: str, place: Place) -> Figures:
    """``switch`` with ``train.compile``; the compiler must be here."""
    if not place.on_gpu and not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
        raise NotHere("torch.compile needs a C++ compiler, g++ or clang++")
    return switch(method, *COMPILED, place)


def scaled(place: Place) -> Figures:
    """Steps in fp16, whose losses are scaled: the first loss, and that the last is lower."""
    if not place.on_gpu:
        raise NotHere("a CPU computes fp16 too slowly to train with it")
    model, batch = settled(CONVOLUTIONS), batch_of(BATCH)
    expected, _ = _steps(copied(model, torch.device("cpu")), {}, batch, Process(), steps=1)
    there = copied(model, place.device)
    how = {"amp": "fp16", "channels_last": True}
    losses, norm = _steps(there, how, batch, Process(device=place.device), steps=SCALING_STEPS)
    off = abs(losses[0] / expected[0] - 1)
    expect(
        off <= 0.02, f"the first loss differs by {off:.2g} from float32 on the CPU, allowed 0.02"
    )
    expect(losses[-1] < losses[0], f"the loss does not fall: {_shown(losses)}")
    return {"loss": off, "first loss": losses[0], "last loss": losses[-1], "weights": norm}


def corrected(method: str, place: Place) -> Figures:
    """Steps with a correction each, in the fastest arithmetic of the device; losses must be
    finite.
    """
    config = {"amp": "auto", "channels_last": True}
    model = copied(settled(method), place.device)
    losses, norm = _steps(model, config, batch_of(BATCH), Process(device=place.device), rounds=1)
    return {"first loss": losses[0], "last loss": losses[-1], "weights": norm}


def two_processes(place: Place) -> Figures:
    """Two processes with half of the batch each reach the weights that one reaches. On GPUs they
    share their batch statistics; on a CPU the network has none.
    """
    if place.on_gpu and place.gpus < 2:
        raise NotHere("there is only one GPU")
    method = CONVOLUTIONS if place.on_gpu else ATTENTION
    with tempfile.TemporaryDirectory(prefix="isegm-selftest-") as folder:
        path = Path(folder) / "weights.pth"
        status = launch(_one_of_two, (method, place, str(path)), 2)
        if status or not path.exists():
            raise Wrong(f"the processes ended with status {status}")
        there = torch.load(path, map_location="cpu", weights_only=True)
    model = copied(settled(method), place.device)
    with tf32(False):
        _steps(model, {}, batch_of(BATCH), Process(device=place.device))
    here = {name: p.detach().cpu() for name, p in model.named_parameters()}
    moved = max(
        float((p - before.detach()).abs().max())
        for p, before in zip(here.values(), settled(method).parameters(), strict=True)
    )
    furthest = max(float((there[name] - p).abs().max()) for name, p in here.items())
    expect(
        furthest <= SAME_WEIGHTS * max(1.0, moved),
        f"weights differ from those of one process by {furthest:.2g}, expected at most"
        f" {SAME_WEIGHTS:g}",
    )
    return {"weights": furthest, "moved": moved, "sync_bn": int(place.on_gpu)}


def _one_of_two(method: str, place: Place, path: str) -> int:
    """What each of the two processes does."""
    device = torch.device("cuda", int(os.environ["RANK"])) if place.on_gpu else place.device
    with joined(device) as process, tf32(False):
        share = BATCH // process.count
        own = slice(process.rank * share, (process.rank + 1) * share)
        batch = {name: values[own] for name, values in batch_of(BATCH).items()}
        model = copied(settled(method), device)
        _steps(model, {"sync_bn": place.on_gpu}, batch, process)
        if process.first:
            weights = {name: p.detach().cpu() for name, p in model.named_parameters()}
            torch.save(weights, path)
        process.barrier()
    return 0


def _steps(
    model: ClickModel,
    settings: dict[str, Any],
    batch: Batch,
    process: Process,
    rounds: int = 0,
    steps: int = STEPS,
) -> tuple[list[float], float]:
    """The losses of some steps on a batch, and the norm of the weights afterwards."""
    torch.manual_seed(0)
    _without_dropout(model)
    config = replace(Training(batch_size=BATCH), **settings)
    parts = (build(part) for part in (config.optimizer, config.schedule))
    learner = Learner(model.train(), config, *parts, Iterative(), process)
    try:
        losses = [float(learner.learn(dict(batch), rounds).losses["loss"]) for _ in range(steps)]
    finally:
        learner.close()
    norm = float(torch.stack([p.detach().float().norm() for p in model.parameters()]).norm())
    expect(
        bool(torch.tensor([*losses, norm]).isfinite().all()),
        f"not finite: losses {_shown(losses)}, norm of the weights {norm:g}",
    )
    return losses, norm


def _without_dropout(model: ClickModel) -> None:
    """Devices draw different random numbers."""
    for module in model.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.p = 0.0
        for name in ("drop_prob", "drop_path"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)


def _shown(losses: list[float]) -> str:
    return ", ".join(f"{loss:.4f}" for loss in losses)
