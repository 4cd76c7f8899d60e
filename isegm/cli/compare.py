"""Compare evaluation runs: tables, and a plot of mean IoU against clicks, from result files.

    isegm compare a.json b.json --format markdown --plot curves.png
    isegm compare a.json b.json --intervals            every mean with its 95 % interval
    isegm compare a.json b.json --paired               b against a, object by object
    isegm compare seed0.json seed1.json --seeds        files that share a model name are seeds

Metrics are listed in docs/reference/metrics.md, and computed from the stored clicks: no network
runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from isegm.cli.running import say
from isegm.core.errors import IsegmError
from isegm.evaluation.comparison import paired_table, seeds_table
from isegm.evaluation.ledger import published
from isegm.evaluation.pages import fill
from isegm.evaluation.report import FORMATS, curve_picture, table
from isegm.evaluation.results import RunResult
from isegm.utils.files import replacing


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", nargs="+", help="files written by isegm evaluate --save-json")
    parser.add_argument(
        "--metrics", help="comma-separated, e.g. NoC@85,NoC@90,fail@90,>=20@90,mIoU@1,AUC"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--intervals", action="store_true", help="95 %% intervals beside every number")
    how.add_argument(
        "--paired",
        action="store_true",
        help="differences from the first file on identical objects, with their intervals",
    )
    how.add_argument(
        "--seeds",
        action="store_true",
        help="mean, spread and interval over runs of the same model name and protocol",
    )
    parser.add_argument(
        "--extremes", type=int, default=5, help="of --paired: how many objects to name"
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
    if args.published and (args.paired or args.seeds):
        raise IsegmError("--published has no objects to compare; leave out --paired or --seeds")
    runs = [RunResult.load(path) for path in args.results]
    metrics = [m.strip() for m in args.metrics.split(",") if m.strip()] if args.metrics else None
    if args.paired:
        text = paired_table(runs, metrics, args.format, max(0, args.extremes))
    elif args.seeds:
        text = seeds_table(runs, metrics, args.format)
    else:
        text = table(runs, metrics, args.format, published(args.published), args.intervals)
    if args.page:
        fill(args.page, text)
    if args.output:
        with replacing(args.output) as partial:
            partial.write_text(text + "\n")
    else:
        say(text)
    if args.plot:
        curve_picture(runs, args.plot)
