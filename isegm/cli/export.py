"""Export a network as ONNX files, for other programs and for machines without torch.

    isegm export starter out/                    # out/encoder.onnx and out/decoder.onnx
    isegm export starter starter.onnx            # a single file, where the method allows it
    isegm export ritm_h18s_cocolvis out/ --dataset Berkeley

docs/reference/onnx.md describes the files. isegm.Engine("starter.onnx") and isegm.Engine("out/")
answer clicks with them, without torch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from isegm.cli import flags
from isegm.cli.running import say
from isegm.export.onnx import exported, write
from isegm.inference.protocol import load_protocol
from isegm.methods.checkpoints import find_checkpoint
from isegm.originals.loading import load_model
from isegm.utils.config import load_config


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help="a checkpoint: a file, or a name of one")
    parser.add_argument(
        "target", type=Path, help="a folder, or a single file whose name ends in .onnx"
    )
    flags.add_protocol(parser)
    flags.add_dataset(parser)
    flags.add_config(parser)


def main(args: argparse.Namespace) -> None:
    loaded = load_model(find_checkpoint(load_config(args.config_path), args.source))
    protocol = load_protocol(args.protocol or loaded.model.protocol)
    protocol = protocol.for_dataset(args.dataset) if args.dataset else protocol
    for path in write(exported(loaded, protocol), args.target):
        say(f"wrote {path}, {path.stat().st_size / 1e6:.1f} MB")
