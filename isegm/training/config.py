"""What an experiment may choose about training, and what the command line says about one run of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from isegm.core.errors import IsegmError, unknown

AMP = ("off", "auto", "bf16", "fp16")


@dataclass(frozen=True)
class TrainConfig:
    """The training settings of one experiment; ``--set train.<field>=<value>`` changes any of them.

    Attributes:
        epochs, batch_size: the batch is the global one, over all processes.
        micro_batch: samples that a process puts through the network at once; gradients add up until its share of the batch is
            done (0: the whole share at once). It saves memory and changes only which samples batch norm sees together.
        lr, betas, milestones, gamma: Adam, and the epochs at whose start the rate is multiplied by gamma.
        momentum: stochastic gradient descent with this momentum takes the place of Adam (0: Adam; FCA-Net: 0.9).
        poly_epochs: the rate falls by (1 - epoch / poly_epochs)^0.9 until epoch poly_epochs - 1 and stays there, instead of the
            milestones (0: milestones; FCA-Net: 30).
        weight_decay: the share of every weight, times the rate, that each step takes away (AdamW's; 0: plain Adam); with
            momentum it is part of the gradient.
        max_steps: stop after so many steps in all (0: only ``epochs`` counts).
        amp: "off", "bf16" or "fp16" autocast; "auto" is bf16 where the hardware computes it.
        clip: the largest norm of all gradients together (0: no clipping).
        ema: decay of the averaged weights (0: no averaging); they are what is validated and shared.
        compile, channels_last: speed switches.
        sync_bn: normalise over the batch of all processes (GPU only).
        workers: data processes per training process (-1: min(4, cores), 0: load in the training process).
        pretrained: backbone weights to start from, a name under PRETRAINED in config.yml or a path (None: random).
        log_every: steps between two looks at the losses, each of which waits for the device.
        image_every: steps between two pictures.
        checkpoint_interval: epochs between two checkpoints that are kept (0: only the last one).
        checkpoint_minutes: minutes between two writes of the last checkpoint inside an epoch.
        validate_every: epochs between two validations (0: never).
    """

    epochs: int = 230
    batch_size: int = 32
    micro_batch: int = 0
    lr: float = 5e-4
    betas: tuple[float, float] = (0.9, 0.999)
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    momentum: float = 0.0
    poly_epochs: int = 0
    weight_decay: float = 0.0
    max_steps: int = 0
    amp: str = "off"
    clip: float = 0.0
    ema: float = 0.0
    compile: bool = False
    channels_last: bool = False
    sync_bn: bool = False
    workers: int = -1
    seed: int = 0
    pretrained: str | None = None
    log_every: int = 20
    image_every: int = 500
    checkpoint_interval: int = 10
    checkpoint_minutes: float = 10.0
    validate_every: int = 1

    def __post_init__(self) -> None:
        if self.amp not in AMP:
            raise unknown("value of train.amp", self.amp, AMP)
        for name, least in (
            ("epochs", 1),
            ("batch_size", 1),
            ("micro_batch", 0),
            ("log_every", 1),
            ("image_every", 1),
            ("workers", -1),
            ("seed", 0),
            ("poly_epochs", 0),
            ("max_steps", 0),
            ("clip", 0),
            ("weight_decay", 0),
            ("checkpoint_interval", 0),
            ("validate_every", 0),
        ):
            if getattr(self, name) < least:
                raise IsegmError(f"train.{name}={getattr(self, name)}: expected at least {least}")
        if not 0 <= self.ema < 1:
            raise IsegmError(f"train.ema={self.ema}: expected a decay from 0 (off) to below 1, e.g. 0.999")
        if not 0 <= self.momentum < 1:
            raise IsegmError(f"train.momentum={self.momentum}: expected a number from 0 (Adam) to below 1, e.g. 0.9")
        if self.poly_epochs and self.milestones:
            raise IsegmError("train.poly_epochs and train.milestones are two schedules; set one of them")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise IsegmError(f"train.betas={list(self.betas)}: expected two numbers from 0 to below 1, e.g. [0.9,0.999]")
        if self.lr <= 0:
            raise IsegmError(f"train.lr={self.lr}: expected a positive learning rate")


# What may differ between the run that wrote a checkpoint and the one that continues it without changing what is learnt.
FREE = {
    "epochs",
    "max_steps",
    "micro_batch",
    "workers",
    "compile",
    "channels_last",
    "pretrained",
    "log_every",
    "image_every",
    "checkpoint_interval",
    "checkpoint_minutes",
    "validate_every",
}


@dataclass(frozen=True)
class RunOptions:
    """One call of ``isegm train``; ``cfg.run`` holds it.

    Attributes:
        script: the experiment file; its folder and name give the run folder's place.
        exp_name: appended to the number of the run folder.
        resume: None, "auto" (the newest run of this experiment that can be resumed, among those called ``exp_name`` if there is
            such a name; else a new one), a checkpoint file, a run folder, or how the name of a run folder of this experiment
            begins ("005").
        resume_prefix: how the name of the checkpoint in that run folder begins.
        weights: a checkpoint to take the weights from, nothing else.
        cpu, gpus: the devices of this machine to use, one process each; no gpus given means the first, if there is one.
        validate: see ``Trainer``; an experiment's own goes first.
        check: train nothing; try everything out and tell what it will take (``isegm.training.preflight``).
    """

    script: Path | None = None
    exp_name: str = ""
    resume: str | None = None
    resume_prefix: str = "last_checkpoint"
    weights: str | None = None
    cpu: bool = False
    gpus: tuple[int, ...] = ()
    validate: Callable[..., dict[str, float]] | None = None
    check: bool = False
