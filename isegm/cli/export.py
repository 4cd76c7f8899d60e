"""Export a network as ONNX files, for other programs and for machines without torch.

    isegm export starter out/                    # out/encoder.onnx and out/decoder.onnx
    isegm export starter starter.onnx            # a single file, where the method allows it
    isegm export starter half.onnx --dtype fp16  # half the size; int8: a quarter
    isegm export ritm_h18s_cocolvis out/ --dataset Berkeley

docs/reference/onnx.md describes the files. isegm.Engine("starter.onnx") and isegm.Engine("out/")
answer clicks with them, without torch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from isegm.cli import flags
from isegm.cli.running import say
from isegm.data.reading import read_image
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


def with_dtype(made: Exported, args: argparse.Namespace) -> Exported:
    """The network in the precision that was asked for."""
    if args.dtype == "fp32":
        return made
    from isegm.export.precision import halved, quantized

    if args.dtype == "fp16":
        return halved(made)
    folder = args.calibrate or repository_file("assets/photos")
    kinds = (".jpg", ".jpeg", ".png", ".bmp")
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in kinds)
    return quantized(made, [read_image(path) for path in paths])


def main(args: argparse.Namespace) -> None:
    loaded = load_model(find_checkpoint(load_config(args.config_path), args.source))
    protocol = load_protocol(args.protocol or loaded.model.protocol)
    protocol = protocol.for_dataset(args.dataset) if args.dataset else protocol
    made = with_dtype(exported(loaded, protocol), args)
    for path in write(made, args.target):
        say(f"wrote {path}, {path.stat().st_size / 1e6:.1f} MB")
