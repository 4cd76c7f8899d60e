"""Compare evaluation runs: tables, and a plot of mean IoU against clicks, from result files.

isegm compare a.json b.json --format markdown --plot curves.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from isegm.cli.running import say
from isegm.evaluation.ledger import published
from isegm.evaluation.pages import fill
from isegm.evaluation.report import FORMATS, curve_picture, table
from isegm.evaluation.results import RunResult


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", nargs="+", help="files written by isegm evaluate --save-json")
    parser.add_argument(
        "--metrics", help="comma-separated, e.g. NoC@85,NoC@90,fail@90,>=20@90,mIoU@1"
    )
    parser.add_argument(
        "--published",
        action="append",
        default=[],
        metavar="METHOD",
        help="add its rows of assets/published.csv",
    )
    parser.add_argument("--format", choices=FORMATS, default="markdown")
    parser.add_argument("--output", help="write the table here instead of printing it")
    parser.add_argument(
        "--page", type=Path, help="put the table into this Markdown page, between its two comments"
    )
    parser.add_argument("--plot", help="write the picture here (.png, .svg or .pdf)")


def main(args: argparse.Namespace) -> None:
    runs = [RunResult.load(path) for path in args.results]
    text = table(
        runs,
        args.metrics.split(",") if args.metrics else None,
        args.format,
        published(args.published),
    )
    if args.page:
        fill(args.page, text)
    if args.output:
        Path(args.output).write_text(text + "\n")
    else:
        say(text)
    if args.plot:
        curve_picture(runs, args.plot)
