"""Check the data sets that config.yml speaks of: files, counts against the literature, readable pictures, sizes that match.

    python scripts/check_data.py                          what is here, 200 samples of each part
    python scripts/check_data.py --quick                  10 samples
    python scripts/check_data.py --all SBD COCO_LVIS      every sample of these; they must be here

Prints a fingerprint of every part, by which two copies can be compared, and where to get what is not here. Exit status: 0 if
nothing is wrong, 1 if a set that is here has a problem or a set that was named is not here, 2 for a mistake in the command.
"""

from __future__ import annotations

import argparse
import sys
import textwrap

from easydict import EasyDict
from tqdm import tqdm

from isegm.cli.running import run
from isegm.core.errors import IsegmError, unknown
from isegm.data.catalogue import CATALOGUE, DataSet
from isegm.data.checking import Finding, check
from isegm.utils.config import load_config, require_path

MOST_PROBLEMS = 5  # shown of each part


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", help=f"names of sets (default: all that are here): {', '.join(names())}")
    how_many = parser.add_mutually_exclusive_group()
    how_many.add_argument("--quick", action="store_true", help="read 10 samples of each part")
    how_many.add_argument("--sample", type=int, metavar="N", default=200, help="read N samples of each part (default 200)")
    how_many.add_argument("--all", action="store_true", help="read every sample")
    parser.add_argument("--config-path", help="another config.yml")
    return parser.parse_args()


def names() -> list[str]:
    return [data_set.name for data_set in CATALOGUE]


def main() -> bool:
    """Whether all is well."""
    args = parse_args()
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
        print("\nnot here:" if any(here.values()) else "not here:")
    for data_set in absent:
        print(f"  {data_set.name:14}{data_set.key} = {cfg.get(data_set.key, '(no such key in config.yml)')}")
        print(textwrap.indent(f"get it from {data_set.origin}", " " * 16))
    sets, missing = sum(here.values()), len(absent) if args.sets else 0
    print(f"\n{sets} of {len(wanted)} sets are here; {problems} problems")
    return not problems and not missing


def is_here(data_set: DataSet, cfg: EasyDict) -> bool:
    """Whether there is anything of a set: its folder, and one of its annotations where several sets share the folder."""
    try:
        root = require_path(cfg, data_set.key, data_set.name)
    except IsegmError:
        return False
    shared = [other for other in CATALOGUE if other.key == data_set.key]
    listed = [name for part in data_set.parts for name in part.annotations]
    return len(shared) == 1 or any((root / name).exists() for name in listed)


def show(data_set: DataSet, cfg: EasyDict, sample: int | None) -> int:
    """Check a set and print what was found; the number of problems."""
    print(f"{data_set.name}  ({require_path(cfg, data_set.key, data_set.name)})")
    problems = 0
    for part in data_set.parts:
        label = f"{data_set.name} {part.name}"
        found = check(
            data_set, part, cfg, sample, lambda indices, label=label: tqdm(indices, desc=label, leave=False, disable=None)
        )
        problems += len(found.problems)
        show_part(found, data_set)
    sys.stdout.flush()
    return problems


def show_part(found: Finding, data_set: DataSet) -> None:
    objects = "" if found.objects is None else f", {found.objects:,} objects"
    counted = f"{found.length:,} samples{objects}; {found.looked_at:,} read" if found.length else "not opened"
    print(f"  {'PROBLEM' if found.problems else 'ok':8}{found.part.name:12}{counted}")
    for text in found.problems[:MOST_PROBLEMS]:
        print(f"          - {text}")
    if len(found.problems) > MOST_PROBLEMS:
        print(f"          - and {len(found.problems) - MOST_PROBLEMS} more")
    for text in found.notes:
        print(f"          note: {text}")
    if found.fingerprint:
        print(f"          fingerprint {found.fingerprint}")
    if found.problems:
        print(f"          the original is at {data_set.origin}")


if __name__ == "__main__":
    outcome: list[bool] = []
    status = run(lambda: outcome.append(main()))
    raise SystemExit(status or (0 if outcome == [True] else 1))
