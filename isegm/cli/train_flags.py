"""Flags of ``isegm train`` that are short for ``--set``: other code bases' names for settings."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from isegm.core.errors import IsegmError
from isegm.core.registry import is_spec, leaves, parameters
from isegm.training.experiment import AMP, Experiment
from isegm.utils.overrides import Overrides


@dataclass(frozen=True)
class Flag:
    """``--name VALUE`` stands for ``--set path=VALUE``.

    Without a type it takes no value and sets true.
    """

    name: str
    path: str
    kind: type | None
    note: str
    choices: tuple[str, ...] | None = None


FLAGS = (
    Flag("batch-size", "train.batch_size", int, "samples per step over all processes"),
    Flag(
        "micro-batch",
        "train.micro_batch",
        int,
        "samples per process that go through the network at once; gradients add up",
    ),
    Flag(
        "workers",
        "train.workers",
        int,
        "data processes per training process; 0 loads in the training process",
    ),
    Flag("epochs", "train.epochs", int, "how often the data are gone through"),
    Flag("lr", "train.optimizer.lr", float, "base learning rate"),
    Flag("amp", "train.amp", str, "automatic mixed precision", AMP),
    Flag(
        "weights",
        "train.weights",
        str,
        "start from the weights of this checkpoint (path, name under WEIGHTS_PATH, or of the zoo)",
    ),
    Flag("max-num-next-clicks", "user.max_rounds", int, "simulated corrections at most"),
    Flag(
        "checkpoint-interval",
        "train.checkpoint_interval",
        int,
        "epochs between checkpoints that are kept",
    ),
    Flag("update-num", "model.feedback.updates", int, "FCFI: rounds of the collaborative fusion"),
    Flag(
        "expansion-ratio",
        "model.feedback.expansion",
        float,
        "FCFI: size of the window around a click, over the view's",
    ),
    Flag("mid-ch", "model.feedback.width", int, "FCFI: channels of the feedback modules"),
)
PREVIOUS_MASK = {
    "prev_mask": True,
    "fusion.in_channels": 3,
    "feedback.coords": 3,
}  # what shows it to a network
CENTER = "first_click_center"


def add_short_flags(parser: argparse.ArgumentParser) -> None:
    """Every flag can be written with hyphens, or with underscores as the original scripts do."""
    for flag in FLAGS:
        parser.add_argument(
            *_spellings(flag.name), type=flag.kind, choices=flag.choices, help=flag.note
        )
    add = parser.add_argument
    add(
        "--seed",
        type=int,
        help="of everything random: train.seed, data.seed, and one more for val.seed",
    )
    add(
        *_spellings("first-click-center"),
        action="store_true",
        help="the first sampled click lies in the middle of the object",
    )
    add(
        *_spellings("with-prev-mask"),
        action="store_true",
        help="show the network the previous mask",
    )


def given_flags(args: argparse.Namespace, experiment: Experiment, script: Path) -> Overrides:
    """What the flags on the command line change, as ``parse_overrides`` would say it.

    Raises:
        IsegmError: a flag is about a part that the experiment does not have.
    """
    known = {f"model.{path}" for path, _ in leaves(experiment.model)}
    changes: Overrides = {}
    for flag in FLAGS:
        value = getattr(args, flag.name.replace("-", "_"))
        if value is None:
            continue
        if flag.path.startswith("model.") and flag.path not in known:
            raise IsegmError(
                f"--{flag.name} sets {flag.path}, which the network of {script} does not have;"
                " leave it out, or train an"
                " experiment of models/fcfi"
            )
        changes[flag.path] = value
    if args.seed is not None:
        changes |= _seeds(experiment, args.seed)
    if args.first_click_center:
        changes |= _center(experiment, script)
    if args.with_prev_mask:
        shown = {
            f"model.{path}": value
            for path, value in PREVIOUS_MASK.items()
            if f"model.{path}" in known
        }
        if not shown:
            raise IsegmError(
                f"--with-prev-mask: the network of {script} has no place for the previous mask;"
                " leave it out"
            )
        changes |= shown
    return changes


def _spellings(name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((f"--{name}", f"--{name.replace('-', '_')}")))


def _seeds(experiment: Experiment, seed: int) -> Overrides:
    """Of the training, and of the data as far as they have one; held-out data must differ from
    those trained on.
    """
    seeds = {"train.seed": seed}
    for number, section in enumerate(("data", "val")):
        part = getattr(experiment, section)
        if part is not None and "seed" in parameters(part, experiment.module):
            seeds[f"{section}.seed"] = seed + number
    return seeds


def _center(experiment: Experiment, script: Path) -> Overrides:
    """For every sampler that has the setting, whether or not another one is around it."""
    places = [
        f"{section}.{path}"
        for section in ("data", "val")
        if is_spec(part := getattr(experiment, section))
        for path, _ in leaves(part)
        if path.endswith(f".{CENTER}")
    ]
    if not places:
        raise IsegmError(
            f"--first-click-center: the sampler of {script} has no setting {CENTER}; leave it out"
        )
    return dict.fromkeys(places, True)
