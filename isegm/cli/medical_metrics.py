"""Compare medical masks with the truth: Dice, IoU, HD95 and more, per slice and per volume.

    isegm medical-metrics data/liver predictions/liver --organ liver --csv liver.csv
    isegm medical-metrics labelsTr volumes/liver --organ liver

Prints Dice, IoU, sensitivity, specificity, precision, HD95 and average surface distance. Truth and
prediction are a folder of slices (isegm extract-slices) and the folder of their predicted masks, or
two NIfTI files, or two folders of those. docs/how-to/medical.md says how empty masks count.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from isegm.cli import flags
from isegm.cli.running import say
from isegm.core.errors import IsegmError
from isegm.data.medical.cases import cases
from isegm.data.medical.organs import organ_named, parse_labels
from isegm.evaluation.medical import agreement_table, judge, write_csv


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "truth", type=Path, help="a folder written by isegm extract-slices, or label volumes"
    )
    parser.add_argument(
        "prediction", type=Path, help="the folder of predicted masks, or mask volumes of 0 and 1"
    )
    flags.add_organ(parser)
    flags.add_missing(parser)
    parser.add_argument("--csv", type=Path, help="write every value there")


def main(args: argparse.Namespace) -> None:
    organ = organ_named(args.organ)
    labels = parse_labels(args.labels, organ)
    skip = args.missing == "skip"
    volumes = cases(args.truth, args.prediction, organ.name, labels, skip_missing=skip)
    rows = [row for case in tqdm(volumes, unit="volume", leave=False) for row in judge(case)]
    if not rows:
        raise IsegmError(f"{args.truth} and {args.prediction} hold nothing to compare")
    say(agreement_table(rows))
    if args.csv:
        write_csv(rows, args.csv)
        say(f"every slice and volume: {args.csv}")
