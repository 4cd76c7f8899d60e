"""Put predicted slices together to NIfTI volumes like the scans.

    isegm assemble-volume data/liver predictions/liver --output volumes/liver

The first folder was written by isegm extract-slices; the second holds a mask per slice:
<slice>.png, or <slice>/mask.png as isegm evaluate --vis-preds writes it. A volume has the shape,
orientation and affine of its scan. It is 1 on the object and 0 elsewhere; slices that were not
extracted are 0.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from isegm.cli import flags
from isegm.cli.running import say
from isegm.core.errors import IsegmError
from isegm.data.medical.slices import assemble, mask_file, read_sidecars
from isegm.data.medical.volumes import write_mask

log = logging.getLogger("isegm")


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("slices", type=Path, help="a folder written by isegm extract-slices")
    parser.add_argument("predictions", type=Path, help="the folder of predicted masks")
    parser.add_argument("--output", type=Path, required=True, help="folder for the volumes")
    flags.add_missing(parser)


def main(args: argparse.Namespace) -> None:
    if not args.predictions.is_dir():
        raise IsegmError(f"there is no folder {args.predictions} of predicted masks")
    written = 0
    for sidecar in read_sidecars(args.slices):
        if args.missing == "skip" and any(
            mask_file(args.predictions, id_) is None for id_ in sidecar.ids
        ):
            log.warning("%s is left out: it lacks predicted masks", sidecar.volume)
            continue
        path = args.output / f"{sidecar.volume}.nii.gz"
        write_mask(path, assemble(sidecar, args.predictions), sidecar.geometry)
        say(f"{path}: {sidecar.geometry}")
        written += 1
    if not written:
        raise IsegmError(
            f"no volume of {args.slices} has all its predicted masks in {args.predictions}"
        )
