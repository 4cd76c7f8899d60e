"""Dice, IoU, sensitivity, specificity, precision, HD95 and average surface distance, per slice and per volume.

    python scripts/medical_metrics.py data/liver experiments/evaluation_logs/predictions/liver --organ liver --csv liver.csv
    python scripts/medical_metrics.py labelsTr volumes/liver --organ liver

Truth and prediction are a folder of slices (extract_slices.py) and the folder of their predicted masks, or two NIfTI files, or
two folders of those. What is counted how, for empty masks above all, stands in docs/medical.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from isegm.cli.running import Formatter, run
from isegm.core.errors import IsegmError
from isegm.data.medical.cases import cases
from isegm.data.medical.organs import ORGANS, organ_named, parse_labels
from isegm.evaluation.medical import agreement_table, judge, write_csv


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=Formatter)
    parser.add_argument("truth", type=Path, help="a folder written by extract_slices.py, or label volumes")
    parser.add_argument("prediction", type=Path, help="the folder of predicted masks, or mask volumes of 0 and 1")
    parser.add_argument("--organ", required=True, help=", ".join(ORGANS))
    parser.add_argument("--labels", default="decathlon", help="of label volumes: decathlon, totalsegmentator, or numbers")
    parser.add_argument("--missing", choices=("error", "skip"), default="error", help="what to do about missing predictions")
    parser.add_argument("--csv", type=Path, help="write every value there")
    args = parser.parse_args()

    organ = organ_named(args.organ)
    labels = parse_labels(args.labels, organ)
    found = cases(args.truth, args.prediction, organ.name, labels, skip_missing=args.missing == "skip")
    rows = [row for case in tqdm(found, unit="volume", leave=False) for row in judge(case)]
    if not rows:
        raise IsegmError(f"{args.truth} and {args.prediction} hold nothing to compare")
    print(agreement_table(rows))
    if args.csv:
        write_csv(rows, args.csv)
        print(f"every slice and volume: {args.csv}")


if __name__ == "__main__":
    raise SystemExit(run(main))
