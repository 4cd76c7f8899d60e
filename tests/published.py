"""The data of published experiments on miniature sets."""

from __future__ import annotations

from typing import Any

from easydict import EasyDict

from isegm.core.registry import leaves
from isegm.data.dataset import TrainingData
from isegm.training.experiment import Experiment
from isegm.training.experiment_file import load_experiment
from isegm.utils.config import REPOSITORY


def experiment_of(name: str) -> Experiment:
    """``"ritm/hrnet18_sbd"``: the experiment of that script in models/."""
    return load_experiment(REPOSITORY / "models" / f"{name}.py").experiment


def cropped(experiment: Experiment, crop: list[int]) -> dict[str, Any]:
    """Overrides that change the size of everything the experiment trains on."""
    parts = {section: getattr(experiment, section) for section in ("data", "val")}
    return {
        f"{section}.{path}": crop
        for section, part in parts.items()
        if part is not None
        for path, _ in leaves(part)
        if path in ("augment.crop", "source.size")
    }


def data_of(name: str, cfg: EasyDict, crop: list[int], **changes: Any) -> TrainingData:
    """Training and held-out data of an experiment in ``models``, in another size and otherwise
    changed.

    Args:
        changes: with ``__`` for the dots of a path.
    """
    experiment = experiment_of(name)
    experiment = experiment.changed(
        cropped(experiment, crop) | {k.replace("__", "."): v for k, v in changes.items()}
    )
    return TrainingData(
        *(experiment.build(part, cfg=cfg) for part in (experiment.data, experiment.val))
    )
