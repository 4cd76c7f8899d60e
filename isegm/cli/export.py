"""Export a network as ONNX files, for other programs and for machines without torch.

    isegm export starter out/                    # out/encoder.onnx and out/decoder.onnx
    isegm export starter starter.onnx            # a single file, where the method allows it
    isegm export starter half.onnx --dtype fp16  # half the size; int8: a third
    isegm export ritm_h18s_cocolvis out/ --dataset Berkeley

docs/reference/onnx.md describes the files. isegm.Engine("starter.onnx") and isegm.Engine("out/")
answer clicks with them, without torch.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from isegm.cli import flags
from isegm.cli.running import say
from isegm.core.errors import IsegmError
from isegm.data.reading import IMAGE_SUFFIXES, read_image
from isegm.export.onnx import Exported, exported, write
from isegm.inference.protocol import load_protocol
from isegm.methods.checkpoints import find_checkpoint
from isegm.originals.loading import load_model
from isegm.utils.config import load_config, repository_file


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help="a checkpoint: a file, or a name of one")
    parser.add_argument(
        "target", type=Path, help="a folder, or a single file whose name ends in .onnx"
    )
    note = "of the weights, and of what int8 computes; other answers, so measure NoC before use"
    parser.add_argument("--dtype", choices=("fp32", "fp16", "int8"), default="fp32", help=note)
    note = "for int8: a folder of photographs to choose ranges by (default: the package's own)"
    parser.add_argument("--calibrate", type=Path, metavar="FOLDER", help=note)
    flags.add_protocol(parser)
    flags.add_dataset(parser)
    flags.add_config(parser)


def photographs(folder: Path) -> list[np.ndarray]:
    """The images of a folder.

    Raises:
        IsegmError: there is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise IsegmError(f"--calibrate {folder}: there is no such folder")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise IsegmError(f"--calibrate {folder}: no image in this folder; a handful is needed")
    return [read_image(path) for path in paths]


def in_precision(args: argparse.Namespace) -> Callable[[Exported], Exported]:
    """Brings a network to the precision that the flags ask for."""
    if args.calibrate and args.dtype != "int8":
        raise IsegmError(f"--calibrate is for --dtype int8, not {args.dtype}")
    if args.dtype == "fp32":
        return lambda made: made
    from isegm.export.precision import halved, quantized

    if args.dtype == "fp16":
        return halved
    images = photographs(args.calibrate or repository_file("assets/photos"))
    return lambda made: quantized(made, images)


def main(args: argparse.Namespace) -> None:
    change = in_precision(args)  # first: exporting takes a while
    loaded = load_model(find_checkpoint(load_config(args.config_path), args.source))
    protocol = load_protocol(args.protocol or loaded.model.protocol)
    protocol = protocol.for_dataset(args.dataset) if args.dataset else protocol
    made = change(exported(loaded, protocol))
    for path in write(made, args.target):
        say(f"wrote {path}, {path.stat().st_size / 1e6:.1f} MB")
