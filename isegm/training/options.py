"""Options of one run that do not belong to the experiment itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RunOptions:
    """Options of one call of ``isegm train``.

    Attributes:
        name: of the experiment, ``<folder>/<name>`` of its script; also the folder of its runs.
        files: to copy to the run folder.
        exp_name: appended to the number of the run folder.
        resume: None; "auto" (the newest run of this experiment that can be resumed, and is named
            ``exp_name`` if that is given; otherwise a new run); a checkpoint file; a run folder; or
            the beginning of the name of a run folder of this experiment ("005").
        resume_prefix: the beginning of the name of the checkpoint in that run folder.
        cpu, gpus: the devices of this machine to use, one process each; by default the first GPU,
            if there is one.
        validate: see ``Trainer``.
        check: do not train, but check everything and estimate the costs
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
