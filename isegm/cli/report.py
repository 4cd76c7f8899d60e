"""Write a report of evaluation runs: one self-contained web page, or Markdown, CSV, LaTeX.

    isegm report a.json b.json --html report.html
    isegm report a.json b.json --html report.html --pictures --published RITM
    isegm report a.json --markdown table.md --csv table.csv --latex table.tex

The page asks no host for anything, so it can be sent as it is. With --pictures it holds photographs
of the data sets, which must be on this machine: mind their licenses before you hand it on.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from easydict import EasyDict

from isegm.cli import flags
from isegm.cli.running import say
from isegm.core.errors import IsegmError
from isegm.data.evaluation_sets import EvalDataset, evaluation_set
from isegm.evaluation.ledger import published
from isegm.evaluation.report import table
from isegm.evaluation.results import RunResult
from isegm.evaluation.web_report import ReportSettings, page
from isegm.utils.files import replacing

log = logging.getLogger("isegm")


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", nargs="+", help="files written by isegm evaluate --save-json")
    parser.add_argument("--html", type=Path, help="write the page here")
    for style in ("markdown", "csv", "latex"):
        parser.add_argument(f"--{style}", type=Path, help="write the table with intervals here")
    parser.add_argument("--title", default="Evaluation report", help="of the page")
    parser.add_argument(
        "--metric", default="NoC@90", help="what kinds of objects and the gallery are about"
    )
    parser.add_argument(
        "--gallery", type=int, default=4, help="best, worst and most different objects, of each"
    )
    parser.add_argument(
        "--pictures",
        action="store_true",
        help="embed photographs of the gallery's objects, with clicks and the true outline",
    )
    parser.add_argument(
        "--published",
        action="append",
        default=[],
        metavar="METHOD",
        help="add its rows of assets/published.csv",
    )
    flags.add_folders(parser)
    flags.add_config(parser)


def main(args: argparse.Namespace) -> None:
    texts = {style: getattr(args, style) for style in ("markdown", "csv", "latex")}
    if not (args.html or any(texts.values())):
        raise IsegmError("where to? e.g. --html report.html, or --markdown, --csv, --latex")
    if args.gallery < 0:
        raise IsegmError(f"--gallery {args.gallery}: expected 0 or more objects")
    runs = [RunResult.load(path) for path in args.results]
    rows = published(args.published)
    for style, path in texts.items():
        if path:
            write(path, table(runs, None, style, rows, intervals=True) + "\n")
    if not args.html:
        return
    datasets, missing = photographs(runs, args) if args.pictures else ({}, {})
    settings = ReportSettings(
        title=args.title,
        metric=args.metric,
        gallery=args.gallery,
        published=rows,
        files=[Path(path).name for path in args.results],
        datasets=datasets,
        missing=missing,
    )
    write(args.html, page(runs, settings))
    if datasets:
        say("the page holds photographs of data sets; mind their licenses before you hand it on")


def photographs(
    runs: list[RunResult], args: argparse.Namespace
) -> tuple[dict[str, EvalDataset], dict[str, str]]:
    """The data sets of the runs that are on this machine, and why others are not shown."""
    cfg: EasyDict = flags.config_with_folders(args)
    datasets, missing = {}, {}
    for name in dict.fromkeys(d.name for run in runs for d in run.datasets):
        try:
            datasets[name] = evaluation_set(name, cfg)
        except IsegmError as error:
            log.warning("%s: no photographs: %s", name, error)
            missing[name] = f"{name} is not on the machine that wrote this page"
    return datasets, missing


def write(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
    say(str(path))
