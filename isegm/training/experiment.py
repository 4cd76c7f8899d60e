"""An experiment as one value: network, data, simulated user, and training settings.

Every part is a spec (``isegm.core.registry``), so the whole is plain data: it is written as JSON,
compared leaf by leaf, and changed with ``--set``. Paths on a machine are not part of it but in
config.yml.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from isegm.core.errors import IsegmError, unknown
from isegm.core.registry import OWN, Spec, build, completed, is_spec, spec, targets
from isegm.training.optimisation import Adam, Constant
from isegm.utils.overrides import Overrides, changed

AMP = ("off", "auto", "bf16", "fp16")
OPTIONAL = ("adapt", "click_losses")  # parts of a training that may be None
LEAST = {
    "epochs": 1,
    "batch_size": 1,
    "micro_batch": 1,
    "max_steps": 1,
    "workers": 0,
    "seed": 0,
    "log_every": 1,
    "image_every": 1,
    "checkpoint_interval": 1,
    "validate_every": 1,
}


@dataclass(frozen=True)
class Training:
    """How an experiment is trained. None disables a setting or leaves it to the trainer.

    Attributes:
        epochs, batch_size: the batch is the global one, over all processes.
        optimizer, schedule: specs of classes in ``isegm.training.optimisation``.
        micro_batch: samples that a process puts through the network at once, accumulating gradients
            over its share of the batch (None: the whole share). It saves memory and changes only
            which samples batch norm sees together.
        max_steps: stop after this many steps (None: only ``epochs`` counts).
        amp: "off", "bf16" or "fp16" autocast; "auto" is bf16 if the hardware supports it.
        clip: the largest norm of all gradients together.
        ema: decay of the averaged weights, which are the ones validated and shared.
        compile, channels_last: speed switches.
        activation_checkpointing: keep only the inputs of transformer blocks for the backward pass,
            which computes the blocks again: less memory, slower, the same gradients.
        adapt: a spec of a class in ``isegm.training.adaptation``, which parts of the network learn
            and how (None: all of it).
        click_losses: a spec of a class in ``isegm.training.click_losses``, which answers of a
            rollout are learned from (None: the last one).
        sync_bn: normalise over the batch of all processes (GPU only).
        workers: data processes per training process (None: min(4, cores), 0: load in the training
            process).
        seed: of all randomness except the data, whose parts have their own seeds.
        pretrained: backbone weights to start from, a name under PRETRAINED in config.yml or a path
            (None: random).
        weights: a checkpoint of a whole network to start from instead: a path, or a name under
            WEIGHTS_PATH.
        log_every: steps between fetching the losses, which waits for the device.
        image_every: steps between pictures.
        checkpoint_interval: epochs between checkpoints to keep (None: only the last one).
        checkpoint_minutes: minutes between writes of the last checkpoint within an epoch.
        validate_every: epochs between validations (None: never).

    Raises:
        IsegmError: a number out of range, or an unknown kind of autocast.
    """

    epochs: int = 230
    batch_size: int = 32
    optimizer: Spec = field(default_factory=lambda: spec(Adam))
    schedule: Spec = field(default_factory=lambda: spec(Constant))
    micro_batch: int | None = None
    max_steps: int | None = None
    amp: str = "off"
    clip: float | None = None
    ema: float | None = None
    compile: bool = False
    channels_last: bool = False
    activation_checkpointing: bool = False
    adapt: Spec | None = None
    click_losses: Spec | None = None
    sync_bn: bool = False
    workers: int | None = None
    seed: int = 0
    pretrained: str | None = None
    weights: str | None = None
    log_every: int = 20
    image_every: int = 500
    checkpoint_interval: int | None = 10
    checkpoint_minutes: float = 10.0
    validate_every: int | None = 1

    def __post_init__(self) -> None:
        if self.amp not in AMP:
            raise unknown("value of train.amp", self.amp, AMP)
        for name, least in LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                can_be_off = least and "None" in Training.__annotations__[name]
                off = "; null switches it off" if can_be_off else ""
                raise IsegmError(f"train.{name}={value}: expected at least {least}{off}")
        if self.clip is not None and self.clip <= 0:
            raise IsegmError(
                f"train.clip={self.clip}: expected a number above 0; null switches it off"
            )
        if self.ema is not None and not 0 < self.ema < 1:
            raise IsegmError(
                f"train.ema={self.ema}: expected a decay between 0 and 1, e.g. 0.999; null switches"
                " it off"
            )
        for name in ("optimizer", "schedule", *OPTIONAL):
            if name not in OPTIONAL or getattr(self, name) is not None:
                _check_part(f"train.{name}", getattr(self, name))


# What may change on a resume: nothing that affects what is learned.
MAY_CHANGE = frozenset(
    f"train.{name}"
    for name in (
        "epochs",
        "max_steps",
        "micro_batch",
        "workers",
        "compile",
        "channels_last",
        "activation_checkpointing",
        "log_every",
        "image_every",
        "checkpoint_interval",
        "checkpoint_minutes",
        "validate_every",
    )
)


@dataclass(frozen=True)
class OwnFile:
    """An experiment's file that defines some of its parts. Its content belongs to the experiment,
    its path does not.

    Attributes:
        hashes: SHA-256 of the file and of the local files it imports, by name.
    """

    name: str
    hashes: dict[str, str]
    module: ModuleType = field(repr=False, compare=False)


@dataclass(frozen=True)
class Experiment:
    """An experiment.

    Attributes:
        model: a ``ClickModel``.
        data: a data set of training items, usually ``isegm.data.dataset.ClickDataset``.
        user: an ``isegm.training.users.base.SimulatedUser``.
        train: the training settings.
        val: a validation set like ``data``, or None.
        file: the experiment's file, if it defines a part.

    Raises:
        IsegmError: a part is not a spec.
    """

    model: Spec
    data: Spec
    user: Spec
    train: Training
    val: Spec | None = None
    file: OwnFile | None = None

    def __post_init__(self) -> None:
        for name in ("model", "data", "user", *(("val",) if self.val is not None else ())):
            _check_part(name, getattr(self, name))
        if not isinstance(self.train, Training):
            raise IsegmError(f"train={self.train!r:.80}: expected Training(...)")

    def changed(self, overrides: Overrides) -> Experiment:
        """A copy with some values replaced, see ``overrides.changed``."""
        experiment = self
        for path, value in overrides.items():
            if path.partition(".")[0] == "file":
                raise IsegmError(f"--set {path}: the file of an experiment cannot be set")
            experiment = changed(experiment, path, value, self.module)
        return experiment

    def completed(self) -> Experiment:
        """The same with the defaults of all parts written out, except the network's: its spec must
        stay as in checkpoints.
        """

        def with_defaults(holder: Any, *names: str) -> Any:
            parts = {name: completed(getattr(holder, name), self.module) for name in names}
            return dataclasses.replace(holder, **parts)

        train = with_defaults(self.train, "optimizer", "schedule", *OPTIONAL)
        return dataclasses.replace(with_defaults(self, "data", "user", "val"), train=train)

    def to_json(self) -> dict[str, Any]:
        """Plain values; ``from_json`` reads them."""
        parts = {"model": self.model, "data": self.data, "val": self.val, "user": self.user}
        settings = training_values(self.train)
        own = None if self.file is None else {"name": self.file.name, "hashes": self.file.hashes}
        return {**parts, "train": settings, "file": own}

    def build(self, part: Spec | None, **offered: Any) -> Any:
        """Build a part of this experiment from its spec; None for None."""
        return None if part is None else build(part, self.module, **offered)

    @property
    def module(self) -> ModuleType | None:
        """The experiment's own file as a module, if it defines a part."""
        return None if self.file is None else self.file.module

    @property
    def has_own_parts(self) -> bool:
        """Whether a part is defined in the experiment's own file."""
        return any(target.startswith(f"{OWN}:") for target in targets(self.to_json()))


def training_values(train: Training) -> dict[str, Any]:
    """The settings by name, as in JSON."""
    return {f.name: getattr(train, f.name) for f in dataclasses.fields(Training)}


def from_json(values: Any, file: OwnFile | None = None) -> Experiment:
    """An experiment from the output of ``to_json``.

    Args:
        file: the experiment's own file; the caller has compared its hash.

    Raises:
        IsegmError: something is missing, unknown or invalid.
    """
    known = {f.name for f in dataclasses.fields(Experiment)}
    _check_names("an experiment", values, known, required=("model", "data", "user", "train"))
    _check_names("train", values["train"], {f.name for f in dataclasses.fields(Training)})
    parts = {name: values[name] for name in ("model", "data", "user")}
    return Experiment(**parts, train=Training(**values["train"]), val=values.get("val"), file=file)


def _check_part(name: str, value: Any) -> None:
    if not is_spec(value):
        raise IsegmError(f"{name}={value!r:.80}: expected a part, spec(<class or function>, ...)")


def _check_names(what: str, values: Any, known: set[str], required: tuple[str, ...] = ()) -> None:
    if not isinstance(values, Mapping):
        raise IsegmError(f"{what} is {values!r:.80}; expected named values")
    for name in values:
        if name not in known:
            raise unknown(f"key of {what}", name, known)
    if missing := [name for name in required if name not in values]:
        raise IsegmError(f"{what} lacks {', '.join(missing)}")
