"""The complete state of a training, so that a resume continues with exactly the same next step."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isegm.core.errors import IsegmError
from isegm.methods.base import ClickModel
from isegm.nn.adaptive_iou import AdaptiveIoU
from isegm.nn.low_rank import adapters, load_adapters
from isegm.nn.writing import check_zip, save_pytorch
from isegm.training.experiment import MAY_CHANGE, Experiment, Training, training_values
from isegm.training.optimisation import AverageModel, Optimizer, Schedule
from isegm.utils.files import CannotWrite
from isegm.utils.overrides import differences
from isegm.utils.processes import Process

LAST = "last_checkpoint.pth"
HEADER = {"kind": "training", "schema": 1}
STATE = (
    *("model", "ema", "optimizer", "scheduler", "scaler", "iou", "progress", "random"),
    *("memory", "spec", "epoch_length"),
)


@dataclass
class Progress:
    """The position of a training: next is batch ``batch`` of epoch ``epoch``, after ``step``
    optimiser steps.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0


class TrainState:
    """Everything that changes during training, which is what a checkpoint holds."""

    def __init__(
        self,
        model: ClickModel,
        config: Training,
        optimizer: Optimizer,
        schedule: Schedule,
        device: torch.device,
    ) -> None:
        self.model = model
        self.optimizer = optimizer.of(model)
        self.scheduler = schedule.of(self.optimizer)
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.amp == "fp16")
        self.ema = AverageModel(model, config.ema) if config.ema else None
        self.iou = AdaptiveIoU().to(device)
        self.progress = Progress()

    @property
    def best_model(self) -> ClickModel:
        """The weights to validate and to share: the averaged ones if there are any."""
        return self.model if self.ema is None else self.ema.model

    def state_dict(self, process: Process) -> dict[str, Any]:
        """Plain values and tensors. Every process must call it, since each adds its random
        state.
        """
        return self._adapters() | {
            "model": self.model.state_dict(),
            "ema": None if self.ema is None else self.ema.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": dict(self.scheduler.state_dict()),
            "scaler": self.scaler.state_dict(),
            "iou": self.iou.state_dict(),
            "progress": dataclasses.asdict(self.progress),
            "random": process.gather(random_state(process.device)),
        }

    def _adapters(self) -> dict[str, Any]:
        """What merged weights do not tell, if there are layers of low rank."""
        networks = {"model": self.model} | ({} if self.ema is None else {"ema": self.ema.model})
        kept = {name: adapters(network) for name, network in networks.items()}
        return {"adapters": kept} if kept["model"] else {}

    def load_state_dict(self, saved: dict[str, Any], process: Process) -> None:
        kept = saved.get("adapters", {})
        self.model.load_state_dict(saved["model"])
        load_adapters(self.model, kept.get("model", {}))
        if self.ema is not None:
            self.ema.model.load_state_dict(saved["ema"])
            load_adapters(self.ema.model, kept.get("ema", {}))
        self.optimizer.load_state_dict(saved["optimizer"])
        self.scheduler.load_state_dict(saved["scheduler"])
        self.scaler.load_state_dict(saved["scaler"])
        self.iou.load_state_dict(saved["iou"])
        self.progress = Progress(**saved["progress"])
        if len(saved["random"]) == process.count:
            set_random_state(saved["random"][process.rank], process.device)


def random_state(device: torch.device) -> dict[str, Tensor | None]:
    """The state of torch's generators. Only dropout draws from generators that outlive a step."""
    return {
        "cpu": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


def set_random_state(state: dict[str, Tensor | None], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"], device)


def describe(experiment: Experiment, epoch_length: int) -> dict[str, Any]:
    """The constant part of a checkpoint, which ``check_same`` compares on resume.

    ``spec`` serves readers who want only the weights.
    """
    values = experiment.to_json()
    return {
        "isegm": dict(HEADER),
        "spec": values["model"],
        "experiment": values,
        "epoch_length": epoch_length,
    }


def check_complete(saved: dict[str, Any], path: Path) -> None:
    """Raise IsegmError unless a checkpoint holds everything that a resume needs."""
    if missing := [name for name in STATE if name not in saved]:
        raise IsegmError(
            f"{path} lacks {', '.join(missing)}, so its training cannot be continued; use another"
            f" checkpoint, or start a new run from its weights: --weights {path}"
        )


def check_same(saved: dict[str, Any], now: dict[str, Any], path: Path) -> None:
    """Refuse to continue any experiment but the one that wrote the checkpoint.

    Raises:
        IsegmError: naming all differences.
    """
    there = saved["experiment"]
    # A setting that is newer than the checkpoint had its default.
    there = {**there, "train": {**training_values(Training()), **there["train"]}}
    changes = differences(there, now["experiment"])
    pairs = [change for change in changes if change[0] not in MAY_CHANGE]
    if saved["epoch_length"] != now["epoch_length"]:
        pairs.append(("samples per epoch", saved["epoch_length"], now["epoch_length"]))
    if pairs:
        listed = "; ".join(f"{name} ({old!r} there, {new!r} now)" for name, old, new in pairs)
        raise IsegmError(
            f"{path} belongs to another experiment, which a resume would not continue exactly:"
            f" {listed}. Use the same settings, or start a new run from its weights with --weights"
        )


def write_checkpoint(path: Path, contents: dict[str, Any]) -> None:
    """Write atomically: whenever the machine stops, ``path`` holds a complete checkpoint, the old
    or the new one.

    Raises:
        IsegmError: the disk is full, or writing fails for another reason.
    """
    try:
        save_pytorch(path, contents)
    except CannotWrite as error:
        kept = f"the last one is complete: {path}" if path.exists() else "there is no earlier one"
        raise IsegmError(
            f"cannot write a checkpoint to {path.parent}: {error.reason}; {kept}. Free space"
            " there (or change EXPS_PATH in config.yml) and continue with --resume auto"
        ) from error


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint that ``write_checkpoint`` wrote, without running code in it.

    Raises:
        IsegmError: no such file, a damaged one, or not a training checkpoint.
    """
    if not path.exists():
        raise IsegmError(
            f"there is no checkpoint {path}; give a run folder or a checkpoint file, or use"
            " --resume auto"
        )
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen types for a damaged file
        raise IsegmError(
            f"{path} cannot be read: it is damaged or not a checkpoint ({type(error).__name__})"
        ) from error
    if not isinstance(contents, dict) or contents.get("isegm") != HEADER:
        raise IsegmError(
            f"{path} holds no training to resume; to start from its weights use --weights"
        )
    check_zip(path)
    if "experiment" not in contents:
        raise IsegmError(
            f"{path} is from a version that did not keep its whole experiment, so it cannot be"
            f" continued exactly; start a new run from its weights: --weights {path}"
        )
    return contents
