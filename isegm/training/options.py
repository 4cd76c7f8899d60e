"""What the command line says about one run of an experiment, and what is no part of the experiment
itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunOptions:
    """One call of train.py.

    Attributes:
        name: of the experiment, ``<folder>/<name>`` of its script; gives the place of its run
            folders.
        files: to keep copies of.
        exp_name: appended to the number of the run folder.
        resume: None, "auto" (the newest run of this experiment that can be resumed, among those
            called ``exp_name`` if there is such a name; else a new one), a checkpoint file, a run
            folder, or how the name of a run folder of this experiment begins ("005").
        resume_prefix: how the name of the checkpoint in that run folder begins.
        cpu, gpus: the devices of this machine to use, one process each; no gpus given means the
            first, if there is one.
        validate: see ``Trainer``.
        check: train nothing; try everything out and tell what it will take
            (``isegm.training.preflight``).
    """

    name: str = "runs"
    files: tuple[Path, ...] = ()
    exp_name: str = ""
    resume: str | None = None
    resume_prefix: str = "last_checkpoint"
    cpu: bool = False
    gpus: tuple[int, ...] = ()
    validate: Callable[..., dict[str, float]] | None = None
    check: bool = False
