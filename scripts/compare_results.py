"""Compare evaluation runs: tables and a picture of mean IoU against clicks, from result files alone.

python scripts/compare_results.py a.json b.json --format markdown --plot curves.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from isegm.cli.running import Formatter, run
from isegm.evaluation.ledger import published
from isegm.evaluation.report import FORMATS, curve_picture, table
from isegm.evaluation.results import RunResult


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=Formatter)
    parser.add_argument("results", nargs="+", help="files written by evaluate_model.py --save-json")
    parser.add_argument("--metrics", help="comma-separated, e.g. NoC@85,NoC@90,fail@90,>=20@90,mIoU@1")
    parser.add_argument(
        "--published", action="append", default=[], metavar="METHOD", help="add its rows of assets/published.csv"
    )
    parser.add_argument("--format", choices=FORMATS, default="markdown")
    parser.add_argument("--output", help="write the table here instead of printing it")
    parser.add_argument("--plot", help="write the picture here (.png, .svg or .pdf)")
    args = parser.parse_args()
    runs = [RunResult.load(path) for path in args.results]
    text = table(runs, args.metrics.split(",") if args.metrics else None, args.format, published(args.published))
    if args.output:
        Path(args.output).write_text(text + "\n")
    else:
        print(text)
    if args.plot:
        curve_picture(runs, args.plot)


if __name__ == "__main__":
    raise SystemExit(run(main))
