"""Networks and inputs for the checks: small, and the same at every call and on every device."""

from __future__ import annotations

import copy
import importlib
import pkgutil
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

import isegm.methods
from isegm.core.clicks import Clicks
from isegm.core.rounds import Round
from isegm.data.sources.synthetic import scene
from isegm.methods.base import ClickModel
from isegm.training.batches import Batch

SIZE = (64, 80)
LABELS = [[1, 0, 1], [1, -1, -1]]


def methods() -> dict[str, Callable[[], ClickModel]]:
    """The ``tiny`` of every method, by the name of its file."""
    modules = {
        info.name: importlib.import_module(f"isegm.methods.{info.name}")
        for info in pkgutil.iter_modules(isegm.methods.__path__)
    }
    return {name: m.tiny for name, m in sorted(modules.items()) if hasattr(m, "tiny")}


def settled(name: str) -> ClickModel:
    """The small network of a method, on the CPU in eval mode; its batch statistics fit
    ``round_on``, so that it answers more than a constant.
    """
    torch.manual_seed(0)
    model = methods()[name]()
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momentum = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # a plain average over the rounds that follow
    model.train()
    with torch.no_grad():
        for seed in range(3):
            model(round_on(torch.device("cpu"), seed))
    for norm, value in zip(norms, momentum, strict=True):
        norm.momentum = value
        # Pooled vectors hardly vary between the rounds; rounding errors must not be blown up.
        norm.running_var.add_(0.1)
    return model.eval()


def copied(model: ClickModel, device: torch.device, channels_last: bool = False) -> ClickModel:
    """A copy of a network on a device."""
    there = copy.deepcopy(model).to(device)
    return there.to(memory_format=torch.channels_last) if channels_last else there


def round_on(device: torch.device, seed: int = 0) -> Round:
    """Two noisy images with clicks and previous masks."""
    rng = torch.Generator().manual_seed(seed)
    label = torch.tensor(LABELS)
    yx = torch.rand(*label.shape, 2, generator=rng, dtype=torch.float64) * torch.tensor(SIZE)
    image = torch.rand(len(label), 3, *SIZE, generator=rng)
    mask = 0.1 + 0.8 * torch.rand(len(label), 1, *SIZE, generator=rng)
    clicks = Clicks(yx.to(device), label.to(device))
    return Round(image.to(device), clicks, mask.to(device), seeds=(1, 2), initial_clicks=3)


def target_on(device: torch.device) -> Tensor:
    """``2 1 H W``: a box with a ring of ignored pixels."""
    target = torch.zeros(2, 1, *SIZE)
    target[:, :, 14:44, 14:54] = -1
    target[:, :, 16:40, 16:50] = 1
    return target.to(device)


def picture(seed: int = 1, size: tuple[int, int] = (120, 160)) -> np.ndarray:
    """``H W 3`` uint8: a painted scene."""
    return scene(np.random.default_rng(seed), *size)[0]


def batch_of(count: int, size: tuple[int, int] = SIZE) -> Batch:
    """A batch as a loader gives it: scenes with one object each, a click in it, and one off it."""
    images, targets, clicks = [], [], []
    for seed in range(count):
        image, labels = scene(np.random.default_rng(seed), *size)
        wanted = labels == np.bincount(labels.ravel())[1:].argmax() + 1
        images.append(torch.from_numpy(image.transpose(2, 0, 1).copy()))
        targets.append(torch.from_numpy(wanted[None].astype(np.float32)))
        clicks.append([np.argwhere(part)[part.sum() // 2] for part in (wanted, ~wanted)])
    return {
        "image": torch.stack(images),
        "target": torch.stack(targets),
        "yx": torch.from_numpy(np.asarray(clicks, np.float64)),
        "label": torch.tensor([[1, 0]] * count),
        "seed": torch.arange(count),
    }
