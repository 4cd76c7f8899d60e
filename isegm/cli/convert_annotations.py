"""Make annotations that are not offered for download, in the layouts published with RITM.

    isegm convert-annotations coco_lvis --split train --workers 8
    isegm convert-annotations open_images --split train

coco_lvis joins COCO panoptic (COCO_PATH) and LVIS v1 (LVIS_v1_PATH) to COCO+LVIS (COCO_LVIS_PATH);
interrupted, it continues where it stopped. open_images drops masks without a file from the official
list (OPENIMAGES_PATH). All other data sets are read as downloaded: see docs/reference/data.md.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from isegm.cli import flags
from isegm.cli.running import Formatter, say
from isegm.core.errors import IsegmError
from isegm.data.cache import cache_folder
from isegm.data.conversion import coco_lvis, open_images
from isegm.data.places import require_path
from isegm.utils.config import absolute, load_config


def add_flags(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="command", required=True)
    merge = commands.add_parser(
        "coco_lvis", help="COCO panoptic + LVIS v1 -> COCO+LVIS", formatter_class=Formatter
    )
    merge.add_argument("--split", choices=("train", "val"), default="train")
    merge.add_argument("--coco", type=Path, help="instead of COCO_PATH")
    merge.add_argument("--lvis", type=Path, help="instead of LVIS_v1_PATH")
    merge.add_argument("--output", type=Path, help="instead of COCO_LVIS_PATH")
    merge.add_argument("--workers", type=int, default=0, help="processes; 0 works in this one")
    clean = commands.add_parser(
        "open_images", help="the list of OpenImages -> RITM's pickle", formatter_class=Formatter
    )
    clean.add_argument("--split", choices=("train", "validation", "test"), default="train")
    clean.add_argument("--root", type=Path, help="instead of OPENIMAGES_PATH")
    for command in (merge, clean):
        flags.add_config(command)


def merge_coco_lvis(args: argparse.Namespace) -> None:
    cfg = load_config(args.config_path)
    if args.output is None and "${" in cfg.get("COCO_LVIS_PATH", "${"):
        raise IsegmError("config.yml gives no complete COCO_LVIS_PATH; set it, or pass --output")
    paths = coco_lvis.Paths(
        args.coco or require_path(cfg, "COCO_PATH", "COCO"),
        args.lvis or require_path(cfg, "LVIS_v1_PATH", "LVIS"),
        args.output or absolute(cfg, str(cfg.COCO_LVIS_PATH)),
        cache_folder(cfg),
    )
    with logging_redirect_tqdm(), tqdm(unit="image") as bar:
        for done, total in coco_lvis.convert(paths, args.split, args.workers):
            bar.total = total
            bar.update(done - bar.n)
    folder = paths.output / args.split
    summary = json.loads((folder / coco_lvis.SUMMARY).read_text())
    say(f"{folder}: {summary['images']} images, {summary['objects']} objects")
    say(f"sha256 of hannotation.pickle {summary['hannotation_sha256']}")
    say(f"sha256 of all masks          {summary['masks_sha256']}")


def clean_open_images(args: argparse.Namespace) -> None:
    root = args.root or require_path(load_config(args.config_path), "OPENIMAGES_PATH", "OpenImages")
    path, images, masks = open_images.convert(root / args.split)
    say(f"{path}: {images} images, {masks} masks")


def main(args: argparse.Namespace) -> None:
    {"coco_lvis": merge_coco_lvis, "open_images": clean_open_images}[args.command](args)
