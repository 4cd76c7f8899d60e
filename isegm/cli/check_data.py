"""Check the data sets of config.yml: files, counts, readable images, sizes that match.

    isegm check-data                        # what is here, 200 samples of each part
    isegm check-data --quick                # 10 samples
    isegm check-data --all SBD COCO_LVIS    # every sample of these; they must be here

Counts are compared with the literature. Prints a fingerprint of every part, to compare two copies,
and where to get missing sets. Exit status: 0 if nothing is wrong, 1 if a set has a problem or a set
that was named is missing, 2 for an error in the command.
"""

from __future__ import annotations

import argparse
from functools import partial

from easydict import EasyDict
from tqdm import tqdm

from isegm.cli import flags
from isegm.cli.running import say
from isegm.core.errors import IsegmError, unknown
from isegm.data.catalogue import CATALOGUE, DataSet
from isegm.data.checking import Finding, check
from isegm.utils.config import load_config
from isegm.zoo.entries import find

MOST_PROBLEMS = 5  # shown of each part


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sets", nargs="*", help=f"names of sets (default: all that are here): {', '.join(names())}"
    )
    how_many = parser.add_mutually_exclusive_group()
    how_many.add_argument("--quick", action="store_true", help="read 10 samples of each part")
    how_many.add_argument(
        "--sample",
        type=int,
        metavar="N",
        default=200,
        help="read N samples of each part",
    )
    how_many.add_argument("--all", action="store_true", help="read every sample")
    flags.add_config(parser)


def names() -> list[str]:
    return [data_set.name for data_set in CATALOGUE]


def main(args: argparse.Namespace) -> int:
    """0 if all is well, else 1."""
    for name in args.sets:
        if name not in names():
            raise unknown("data set", name, names())
    if args.sample < 1:
        raise IsegmError(f"--sample {args.sample}: expected at least 1")
    cfg = load_config(args.config_path)
    sample = None if args.all else 10 if args.quick else args.sample
    wanted = [data_set for data_set in CATALOGUE if not args.sets or data_set.name in args.sets]
    here = {data_set.name: is_here(data_set, cfg) for data_set in wanted}
    problems = 0
    for data_set in wanted:
        if here[data_set.name]:
            problems += show(data_set, cfg, sample)
    absent = [data_set for data_set in wanted if not here[data_set.name]]
    if absent:
        say("\nnot here:" if any(here.values()) else "not here:")
    for data_set in absent:
        if data_set.key:
            place = cfg.get(data_set.key, "(no such key in config.yml)")
            say(f"  {data_set.name:16}{data_set.key} = {place}")
            for line in directions(data_set):
                say(" " * 18 + line)
        else:
            say(f"  {data_set.name:16}{data_set.folder} of this package; reinstall it")
    sets, missing = sum(here.values()), len(absent) if args.sets else 0
    say(f"\n{sets} of {len(wanted)} sets are here; {problems} problems")
    return 1 if problems or missing else 0


def directions(data_set: DataSet) -> list[str]:
    """Where to get a set, in lines; none of a set that the zoo does not know."""
    known = find(data_set.name, "dataset")
    if known is None:
        return []
    lines = [f"get it from {known.origin}", *([f"({known.note})"] if known.note else [])]
    return lines if known.by_hand else [*lines, f"or {known.how}"]


def is_here(data_set: DataSet, cfg: EasyDict) -> bool:
    """Whether any part of a set exists: its folder and, if several sets share the folder, one of
    its annotations.
    """
    try:
        root = data_set.root(cfg)
    except IsegmError:
        return False
    shared = [other for other in CATALOGUE if other.key == data_set.key]
    listed = [name for part in data_set.parts for name in part.annotations]
    return len(shared) == 1 or any((root / name).exists() for name in listed)


def show(data_set: DataSet, cfg: EasyDict, sample: int | None) -> int:
    """Check a set, print the findings, and return the number of problems."""
    say(f"{data_set.name}  ({data_set.root(cfg)})")
    problems = 0
    for part in data_set.parts:
        progress = partial(tqdm, desc=f"{data_set.name} {part.name}", leave=False, disable=None)
        finding = check(data_set, part, cfg, sample, progress)
        problems += len(finding.problems)
        show_part(finding, data_set)
    return problems


def show_part(finding: Finding, data_set: DataSet) -> None:
    counted = "not opened"
    if finding.length:
        objects = "" if finding.objects is None else f", {finding.objects:,} objects"
        counted = f"{finding.length:,} samples{objects}; {finding.looked_at:,} read"
    say(f"  {'PROBLEM' if finding.problems else 'ok':8}{finding.part.name:12}{counted}")
    for text in finding.problems[:MOST_PROBLEMS]:
        say(f"          - {text}")
    if len(finding.problems) > MOST_PROBLEMS:
        say(f"          - and {len(finding.problems) - MOST_PROBLEMS} more")
    for text in finding.notes:
        say(f"          note: {text}")
    if finding.fingerprint:
        say(f"          fingerprint {finding.fingerprint}")
    known = find(data_set.name, "dataset")
    if finding.problems and known:
        say(f"          the original is at {known.origin}")
