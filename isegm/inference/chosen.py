"""The model that answers users, chosen by names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from easydict import EasyDict

from isegm.inference.opening import open_model
from isegm.inference.protocol import protocol_for
from isegm.inference.settings import Answering


@dataclass(frozen=True)
class Chosen:
    """A model under a protocol.

    Attributes:
        path: of the checkpoint.
        checkpoint: ``name`` and ``sha256``.
        protocol: ``name``, ``dataset`` and ``label``.
    """

    answering: Answering
    path: Path
    checkpoint: dict[str, str]
    protocol: dict[str, str | None]
    device: str


def choose(
    cfg: EasyDict,
    checkpoint: str,
    device: torch.device,
    protocol: str | None = None,
    dataset: str | None = None,
) -> Chosen:
    """Load a checkpoint.

    Args:
        checkpoint: for ``open_model``.
        protocol: for ``load_protocol``; by default the method's own.
        dataset: use the protocol's settings for this data set.

    Raises:
        IsegmError: one of them does not exist.
    """
    loaded = open_model(checkpoint, device, cfg)
    name = protocol or loaded.model.protocol
    rules = protocol_for(loaded.model, name)
    rules = rules.for_dataset(dataset) if dataset else rules
    return Chosen(
        answering=Answering(loaded.model.requires_grad_(False), rules),
        path=Path(loaded.path),
        checkpoint={"name": Path(loaded.path).name, "sha256": loaded.sha256},
        protocol={"name": Path(name).stem, "dataset": dataset, "label": rules.label},
        device=str(device),
    )
