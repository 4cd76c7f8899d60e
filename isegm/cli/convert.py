"""Convert a checkpoint: a published .pth to .safetensors with its model's spec, or back.

    isegm convert coco_lvis_h18_itermask.pth ritm_h18.safetensors
    isegm convert ritm_h18s_cocolvis ritm_h18s.safetensors
    isegm convert ritm_h18.safetensors for_the_original_code.pth
    isegm convert last_checkpoint.pth model.safetensors --dtype fp16

A training checkpoint of this package works too: its optimizer state is left out, and its EMA
weights are preferred.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from isegm.cli import flags
from isegm.cli.running import say
from isegm.core.errors import IsegmError
from isegm.methods.checkpoints import DTYPES, find_checkpoint, save_model
from isegm.originals.loading import load_model, save_published
from isegm.utils.config import load_config


def add_flags(parser: argparse.ArgumentParser) -> None:
    source = "a checkpoint: published .pth, training .pth or .safetensors, or a name of one"
    parser.add_argument("source", help=source)
    parser.add_argument(
        "target",
        type=Path,
        help="what to write: .safetensors (this package) or .pth (the original code)",
    )
    halves = "of the parameters in a .safetensors; fp16 halves the file"
    parser.add_argument("--dtype", choices=DTYPES, default="fp32", help=halves)
    flags.add_config(parser)


def main(args: argparse.Namespace) -> None:
    if args.target.suffix not in (".safetensors", ".pth"):
        raise IsegmError(f"{args.target}: expected a name that ends in .safetensors or .pth")
    if args.dtype != "fp32" and args.target.suffix == ".pth":
        raise IsegmError(f"--dtype {args.dtype}: a .pth is float32 only; write a .safetensors")
    source = find_checkpoint(load_config(args.config_path), args.source)
    if args.target.exists() and args.target.samefile(source):
        raise IsegmError(f"{args.target} is the source itself; choose another name")

    loaded = load_model(source)
    if args.target.suffix == ".pth":
        save_published(args.target, loaded)
    else:
        origin = {"converted_from": loaded.source, "source_sha256": loaded.sha256}
        save_model(args.target, loaded.model, loaded.spec, origin, loaded.unused, args.dtype)

    parameters = sum(parameter.numel() for parameter in loaded.model.parameters())
    say(f"read    {loaded.path}: {loaded.source}, sha256 {loaded.sha256[:16]}")
    say(f"keys    {loaded.report}; {parameters:,} parameters")
    say(f"spec    {json.dumps(loaded.spec)}")
    say(f"wrote   {args.target}")
