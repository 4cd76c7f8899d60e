"""Turn CT or MRI volumes and their label volumes into slices to click on.

    isegm extract-slices Task09_Spleen --organ spleen --output data/spleen
    isegm extract-slices Task09_Spleen --organ spleen --volumes "spleen_1?" --output data/val
    isegm extract-slices --image ct.nii.gz --label seg.nii.gz --organ liver --output data/liver

The folder holds imagesTr and labelsTr, as in the Medical Segmentation Decathlon. Only slices
with the object are written: images/, masks/ (PNG) and a sidecar per volume in volumes/. Volumes
that are there already are not read again.
"""

from __future__ import annotations

import argparse
import fnmatch
import logging
from pathlib import Path

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from isegm.cli import flags
from isegm.cli.running import say
from isegm.core.errors import IsegmError, unknown
from isegm.data.medical.organs import PERCENTILES, WINDOWS, organ_named, parse_labels, parse_window
from isegm.data.medical.slices import Sidecar, SliceSettings, extract, extracted
from isegm.data.medical.sources import ScanPair, decathlon, label_names, single_pair

log = logging.getLogger("isegm")


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", type=Path, help="a folder with imagesTr and labelsTr")
    parser.add_argument(
        "--image", type=Path, help="one scan (.nii or .nii.gz) in place of a folder"
    )
    parser.add_argument("--label", type=Path, help="its label volume")
    only = "only volumes of these names, comma-separated; * and ? stand for any characters"
    parser.add_argument("--volumes", help=only)
    flags.add_organ(parser)
    windows = ", ".join([*WINDOWS, PERCENTILES])
    parser.add_argument("--window", help=f"{windows}, or LEVEL/WIDTH (default: that of the organ)")
    parser.add_argument(
        "--output", type=Path, required=True, help="folder for the slices, one per organ"
    )
    parser.add_argument(
        "--largest-only",
        action="store_true",
        help="only the slice with the largest object of each volume",
    )
    parser.add_argument("--overwrite", action="store_true", help="extract again what is there")


def pairs_of(args: argparse.Namespace) -> list[ScanPair]:
    if args.folder is not None and args.image is None and args.label is None:
        return named(decathlon(args.folder), args.volumes)
    if args.folder is None and args.image is not None and args.label is not None:
        return [single_pair(args.image, args.label)]
    raise IsegmError("expected a folder with imagesTr and labelsTr, or both --image and --label")


def named(pairs: list[ScanPair], patterns: str | None) -> list[ScanPair]:
    """Those whose names match one of the comma-separated patterns; each pattern must match one."""
    if patterns is None:
        return pairs
    names = [pair.name for pair in pairs]
    matched = {pattern: fnmatch.filter(names, pattern) for pattern in patterns.split(",")}
    for pattern, hits in matched.items():
        if not hits:
            raise unknown("name of a volume in --volumes", pattern, names)
    return [pair for pair in pairs if any(pair.name in hits for hits in matched.values())]


def settings_of(args: argparse.Namespace) -> SliceSettings:
    organ = organ_named(args.organ)
    labels = parse_labels(args.labels, organ)
    if args.folder is not None and (names := label_names(args.folder)):
        if absent := [label for label in labels if label not in names]:
            known = ", ".join(f"{number} {name}" for number, name in sorted(names.items()))
            raise IsegmError(
                f"{args.folder / 'dataset.json'} knows no label {absent[0]}; it knows {known}."
                " Choose with --labels"
            )
        log.info("object: %s", ", ".join(f"{label} ({names[label]})" for label in labels))
    return SliceSettings(
        organ.name, labels, parse_window(args.window or organ.window), args.largest_only
    )


def extract_all(
    pairs: list[ScanPair], settings: SliceSettings, args: argparse.Namespace
) -> tuple[list[Sidecar], int, int]:
    """The volumes with their slices, how many existed already, and how many failed."""
    sidecars, there, failed = [], 0, 0
    for pair in tqdm(pairs, unit="volume"):
        try:
            sidecar = None if args.overwrite else extracted(pair, settings, args.output)
            there += sidecar is not None
            sidecar = sidecar or extract(pair, settings, args.output)
        except IsegmError as error:
            if len(pairs) == 1:
                raise
            log.error("error: %s", error)
            failed += 1
            continue
        if not sidecar.slices:
            log.warning(
                "%s holds no voxel of label %s", pair.label, ", ".join(map(str, settings.labels))
            )
        sidecars.append(sidecar)
    return sidecars, there, failed


def main(args: argparse.Namespace) -> None:
    settings = settings_of(args)
    pairs = pairs_of(args)
    with logging_redirect_tqdm([log]):
        sidecars, there, failed = extract_all(pairs, settings, args)
    written, empty = sum(len(s.slices) for s in sidecars), sum(s.empty for s in sidecars)
    without = sum(not s.slices for s in sidecars)
    if not written and not failed:
        raise IsegmError(
            f"no volume holds label {', '.join(map(str, settings.labels))} ({settings.organ});"
            " choose with --labels"
        )
    say(
        f"{len(sidecars)} volumes ({there} were there already, {without} without the object),"
        f" {written} slices in {args.output}"
    )
    smaller = f", {sum(s.left_out for s in sidecars)} smaller ones" if args.largest_only else ""
    say(f"skipped: {empty} slices without the object{smaller}")
    if failed:
        raise IsegmError(f"{failed} of {len(pairs)} volumes could not be used; see above")
