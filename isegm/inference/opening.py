"""The one place where a name becomes a model: a checkpoint, or a model of somebody else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from isegm.foreign.names import parsed
from isegm.foreign.opening import opened
from isegm.methods.checkpoints import find_checkpoint
from isegm.nn.weights import KeyReport
from isegm.originals.loading import LoadedModel, load_model


def open_model(
    name: str | Path, device: torch.device | str = "cpu", cfg: Mapping[str, Any] | None = None
) -> LoadedModel:
    """Open what ``--checkpoint`` names.

    Args:
        name: as for ``find_checkpoint``; or ``"foreign:sam-base"``, ``"classical:graph_cut"``,
            ``"plugin:my_model.py"`` with settings after commas.
        cfg: config.yml; None to read it if the name calls for it.

    Raises:
        IsegmError: as ``find_checkpoint`` and ``load_model``; or no such model of somebody else.
    """
    other = parsed(name)
    if other is None:
        return load_model(find_checkpoint(cfg or {}, name), device)
    model = opened(other, device)
    return LoadedModel(
        model.model, {}, model.sha256, str(name), model.source, KeyReport(0, (), (), ())
    )


def title_of(loaded: LoadedModel) -> str:
    """What a model is called in tables and names of files, unless the user says otherwise."""
    other = parsed(loaded.path)
    return Path(loaded.path).stem if other is None else other.short
