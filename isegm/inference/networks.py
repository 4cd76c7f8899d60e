"""Opening a checkpoint for ``Engine``: the part of it that needs torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from isegm.core.errors import IsegmError
from isegm.foreign.names import parsed
from isegm.inference.modes import with_mode
from isegm.inference.opening import open_model
from isegm.inference.predictor import Predictor
from isegm.inference.protocol import Protocol, protocol_for
from isegm.methods.base import ClickModel
from isegm.methods.checkpoints import SHIPPED
from isegm.utils.config import load_config
from isegm.utils.device import pick_device


def network(
    checkpoint: str | Path,
    mode: str,
    device: torch.device | str | None,
    protocol: str | Protocol | None,
) -> tuple[ClickModel, torch.device, Protocol, Callable[[Protocol], Predictor]]:
    """The model of a checkpoint, its device and protocol, and what makes its predictor; arguments
    and errors are those of ``Engine``.
    """
    chosen = _device(device)
    model, limit = with_mode(_opened(checkpoint, chosen).requires_grad_(False), mode)
    if not isinstance(protocol, Protocol):
        protocol = protocol_for(model, protocol)

    def predictor(protocol: Protocol) -> Predictor:
        return protocol.predictor(model, clicks_limit=limit)

    return model, chosen, protocol.for_users(), predictor


def loaded_network(checkpoint: str | Path, device: torch.device | str | None) -> ClickModel:
    """``isegm.load``."""
    return _opened(checkpoint, _device(device))


def _opened(checkpoint: str | Path, device: torch.device) -> ClickModel:
    known = Path(checkpoint).expanduser().is_file() or checkpoint in SHIPPED or parsed(checkpoint)
    if known:
        return open_model(checkpoint, device).model  # needs no config.yml
    try:
        cfg = load_config()
    except IsegmError as error:
        raise IsegmError(
            f"there is no checkpoint file {checkpoint}, and names cannot be looked up: {error}"
        ) from None
    return open_model(checkpoint, device, cfg).model


def _device(device: torch.device | str | None) -> torch.device:
    if device is None:
        return pick_device()
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise IsegmError(
            f"device {str(device)!r} cannot be used: {str(error).splitlines()[0]}"
        ) from None
    if chosen.type == "mps":
        raise IsegmError("device 'mps' has no float64, in which clicks are kept; use 'cpu'")
    return pick_device(cpu=True) if chosen.type == "cpu" else chosen
