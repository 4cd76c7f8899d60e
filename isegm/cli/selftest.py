"""Check on this machine that every method answers, learns and resumes as it should.

    isegm selftest                     the CPU, in at most ten minutes
    isegm selftest --gpu               the first GPU, and the second where there is one
    isegm selftest --gpu --only precision,onnx --minutes 3

Answers are compared with those of the CPU in float32. Every check runs where a failure cannot end
the others, and what has not run when the time is up is listed. The exit status is 0 if every check
ran and none failed, and 1 otherwise; checks that this machine cannot do are skipped with a reason.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from isegm.cli import flags
from isegm.cli.running import say
from isegm.core.errors import IsegmError
from isegm.selftest.checks import Place, checks_for, group_names
from isegm.selftest.report import as_json, row, status, summary, what_to_do
from isegm.selftest.runner import run_all
from isegm.utils.config import absolute, load_config
from isegm.utils.files import replacing

MINUTES = 10.0


def add_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--gpu", action="store_true", help="check the GPUs instead of the CPU")
    add("--minutes", type=float, default=MINUTES, help="checks that come later are not run")
    add("--only", metavar="GROUP[,GROUP...]", help="groups of checks, see --list (default: all)")
    add("--list", action="store_true", help="list the checks and run none")
    add("--save-json", type=Path, help="the report (default: selftest.json under EXPS_PATH)")
    flags.add_config(parser)


def main(args: argparse.Namespace) -> int | None:
    if not args.minutes > 0:
        raise IsegmError(f"--minutes {args.minutes:g}: expected a number above 0, e.g. 10")
    only = [name.strip() for name in (args.only or "").split(",") if name.strip()]
    if args.only is not None and not only:
        raise IsegmError(f"--only names no group; there are {', '.join(group_names())}")
    place = Place.chosen(args.gpu)
    checks = checks_for(place, only)
    if args.list:
        for check in checks:
            say(f"{check.group}: {check.name}")
        return None
    path = output(args)
    write(path, {})  # a place that cannot be written is noticed before the checks, not after them
    outcomes = []
    for outcome in run_all(place, 60 * args.minutes, only):
        outcomes.append(outcome)
        say(row(outcome))
    advice = what_to_do(outcomes)
    if advice:
        say("\n" + "\n".join(advice))
    write(path, as_json(place, outcomes))
    say(f"\n{summary(outcomes)}\nreport: {path}")
    return status(outcomes)


def output(args: argparse.Namespace) -> Path:
    if args.save_json:
        return args.save_json
    cfg = load_config(args.config_path)
    return absolute(cfg, cfg.EXPS_PATH) / "selftest.json"


def write(path: Path, contents: dict) -> None:
    """Write the report.

    Raises:
        IsegmError: it cannot be written there.
    """
    if path.is_dir():
        raise IsegmError(f"--save-json {path} is a folder; name a file in it")
    try:
        with replacing(path) as partial:
            partial.write_text(json.dumps(contents, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise IsegmError(
            f"cannot write {path}: {error.strerror}; name another file with --save-json"
        ) from None
