"""What a check of ``isegm selftest`` is, and where the checks are found."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

import isegm.selftest.groups
from isegm.core.errors import IsegmError, unknown

OK, FAILED, SKIPPED, NOT_RUN = "ok", "FAILED", "skipped", "not run"

Figures = Mapping[str, float | int | str]


class Wrong(IsegmError):
    """A check has measured something that should not be."""


class NotHere(Exception):
    """A check cannot be done on this machine; the message says what it lacks."""


@dataclass(frozen=True)
class Place:
    """Where the checks run.

    Attributes:
        kind: ``"cpu"`` or ``"cuda"``.
        gpus: how many GPUs there are.
    """

    kind: str = "cpu"
    gpus: int = 0

    @classmethod
    def chosen(cls, gpu: bool) -> Place:
        """The GPUs of this machine, or its CPU.

        Raises:
            IsegmError: a GPU is asked for, and torch sees none.
        """
        if not gpu:
            return cls()
        if not torch.cuda.is_available():
            built = torch.version.cuda
            why = f"torch {torch.__version__} was built without CUDA" if built is None else ""
            raise IsegmError(
                f"--gpu: torch sees no GPU ({why or f'it was built for CUDA {built}'}); see"
                " nvidia-smi and docs/start/install.md, or leave out --gpu"
            )
        return cls("cuda", torch.cuda.device_count())

    @property
    def device(self) -> torch.device:
        return torch.device("cpu") if self.kind == "cpu" else torch.device("cuda", 0)

    @property
    def on_gpu(self) -> bool:
        return self.kind != "cpu"


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        group: its part of the report.
        name: within the group.
        run: does it and returns what it measured; raises ``Wrong``, ``NotHere`` or whatever goes
            wrong.
        advice: what to do if it fails.
        limit: seconds after which it counts as hanging.
    """

    group: str
    name: str
    run: Callable[[Place], Figures]
    advice: str
    limit: float = 240.0

    @property
    def key(self) -> tuple[str, str]:
        return self.group, self.name


@dataclass(frozen=True)
class Outcome:
    """What came of one check.

    Attributes:
        status: ``OK``, ``FAILED``, ``SKIPPED`` or ``NOT_RUN``.
        reason: why, unless it is ``OK``.
        advice: what to do if it failed.
        trace: the traceback of an unexpected error.
    """

    group: str
    name: str
    status: str
    seconds: float = 0.0
    figures: Figures = field(default_factory=dict)
    reason: str = ""
    advice: str = ""
    trace: str = ""


def group_names() -> list[str]:
    """The groups, those that matter most first."""
    folder = isegm.selftest.groups
    modules = {
        info.name: importlib.import_module(f"{folder.__name__}.{info.name}")
        for info in pkgutil.iter_modules(folder.__path__)
    }
    return sorted(modules, key=lambda name: (modules[name].RANK, name))


def checks_for(place: Place, only: Sequence[str] = ()) -> list[Check]:
    """The checks that make sense at a place, in the order in which they run.

    Args:
        only: names of groups (default: all).

    Raises:
        IsegmError: there is no such group; the nearest are listed.
    """
    known = group_names()
    for name in only:
        if name not in known:
            raise unknown("group of checks", name, known)
    checks: list[Check] = []
    for name in known:
        if not only or name in only:
            module = importlib.import_module(f"{isegm.selftest.groups.__name__}.{name}")
            checks += module.checks(place)
    return checks


def expect(holds: bool, message: str) -> None:
    """Raise ``Wrong`` unless something holds."""
    if not holds:
        raise Wrong(message)
