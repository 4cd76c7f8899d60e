"""Which model ``isegm evaluate`` and ``isegm robustness`` run, and how it is made fast."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch
from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.foreign.names import parsed
from isegm.inference.modes import PLAIN
from isegm.inference.onnx.names import is_exported
from isegm.inference.opening import open_model, title_of
from isegm.inference.speed import for_evaluation
from isegm.methods.base import ClickModel
from isegm.methods.checkpoints import STARTER, find_checkpoint
from isegm.originals.loading import LoadedModel
from isegm.utils.device import SLOW_BF16, native_bf16

log = logging.getLogger("isegm")


def checkpoint_path(args: argparse.Namespace, cfg: EasyDict) -> Path:
    if args.model_dir and not args.checkpoint:
        raise IsegmError(f"--model_dir {args.model_dir}: name the file as --checkpoint")
    if args.model_dir:
        if not Path(args.model_dir).is_dir():
            raise IsegmError(f"--model_dir {args.model_dir}: there is no such folder")
        cfg = {"WEIGHTS_PATH": str(Path(args.model_dir).absolute())}
    if not args.exp_path:
        return find_checkpoint(cfg, args.checkpoint or STARTER)
    folder, _, name = args.exp_path.partition(":")
    return find_checkpoint(cfg, f"{folder}/checkpoints/{name or 'last_checkpoint'}.pth")


def name_of_no_checkpoint(args: argparse.Namespace) -> str | None:
    """The name of a model of others, or of an exported network, if the flags ask for one."""
    if args.foreign:
        return f"foreign:{args.foreign}"
    if args.plugin:
        return f"plugin:{args.plugin}"
    name = args.checkpoint
    return name if name and (parsed(name) or is_exported(name)) else None


def model_name(args: argparse.Namespace, cfg: EasyDict) -> str | Path:
    """What the flags ask for, as ``open_model`` takes it."""
    return name_of_no_checkpoint(args) or checkpoint_path(args, cfg)


def opened_model(args: argparse.Namespace, cfg: EasyDict, device: torch.device) -> LoadedModel:
    """The model that the flags ask for."""
    return open_model(model_name(args, cfg), device, cfg)


def run_name(args: argparse.Namespace, loaded: LoadedModel) -> str:
    """The name of the run in tables and file names."""
    stem = title_of(loaded)
    return args.model_name or (stem if args.mode in PLAIN else f"{stem}_{args.mode}")


def prepared(args: argparse.Namespace, model: ClickModel) -> ClickModel:
    """The network as it will run: as it is, or a copy that is faster and was compared with it."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    if args.bf16 and device.type == "cpu" and not native_bf16(device):
        log.warning(SLOW_BF16)
    if args.as_is and not (args.compile or args.bf16):
        return model
    layout = not args.as_is
    return for_evaluation(
        model, fold=layout, channels_last=layout, compiled=args.compile, amp=args.bf16
    )
