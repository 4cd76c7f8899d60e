"""The one place where a name becomes a model: a checkpoint, or a model of somebody else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from isegm.core.errors import IsegmError
from isegm.foreign.names import parsed
from isegm.foreign.opening import opened
from isegm.inference.onnx.names import is_exported, main_file
from isegm.methods.checkpoints import find_checkpoint
from isegm.nn.weights import KeyReport
from isegm.originals.loading import LoadedModel, load_model
from isegm.utils.files import sha256_of


def open_model(
    name: str | Path, device: torch.device | str = "cpu", cfg: Mapping[str, Any] | None = None
) -> LoadedModel:
    """Open what ``--checkpoint`` names.

    Args:
        name: as for ``find_checkpoint``; or ``"foreign:sam-base"``, ``"classical:graph_cut"``,
            ``"plugin:my_model.py"`` with settings after commas; or the file or folder of an
            exported network, see ``ExportedNetwork``.
        cfg: config.yml; None to read it if the name calls for it.

    Raises:
        IsegmError: as ``find_checkpoint`` and ``load_model``; or no such model of somebody else.
    """
    other = parsed(name)
    if other is None and is_exported(name):
        return _exported(Path(name), torch.device(device))
    if other is None:
        return load_model(find_checkpoint(cfg or {}, name), device)
    model = opened(other, device)
    return LoadedModel(
        model.model, {}, model.sha256, str(name), model.source, KeyReport(0, (), (), ())
    )


def _exported(path: Path, device: torch.device) -> LoadedModel:
    if device.type != "cpu":
        raise IsegmError(f"{path}: an exported network runs on the CPU, not on {device}; add --cpu")
    # Not before it is needed: onnxruntime is an extra.
    from isegm.inference.onnx.network import ExportedNetwork

    model, sha256 = ExportedNetwork(path).eval(), sha256_of(main_file(path))
    return LoadedModel(model, {}, sha256, str(path), "isegm export", KeyReport(0, (), (), ()))


def title_of(loaded: LoadedModel) -> str:
    """What a model is called in tables and names of files, unless the user says otherwise."""
    other = parsed(loaded.path)
    return Path(loaded.path).stem if other is None else other.short
