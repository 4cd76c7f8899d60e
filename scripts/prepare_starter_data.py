"""Bring the photographs that the starter is trained on into place, from copies of the data sets on this machine.

    python scripts/prepare_starter_data.py --duts DIR --bsds DIR --ccp DIR --coco-persons DIR --coco-leave-out FILE

Nothing is copied: folders are linked to where config.yml says that a set is (or left alone if they are there). Then every
photograph is compared, mirrored too, with those of GrabCut and Berkeley by picture hash, and what they show is written to
leave_out.txt in the root of the set; the loaders obey that file.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this clone's package first

from isegm.cli.running import run
from isegm.core.errors import IsegmError
from isegm.data.leave_out import FILE
from isegm.data.picture_hash import NEAR, KnownPictures, seen_in
from isegm.data.reading import list_images
from isegm.utils.config import absolute, load_config, require_path

log = logging.getLogger("isegm")

EVALUATED = (("GRABCUT_PATH", "data_GT"), ("BERKELEY_PATH", "images"))
SETS = {  # option: (key of config.yml, what is linked: its name there and in the copy, folders of photographs)
    "duts-tr": ("DUTS_TR_PATH", {"DUTS-TR-Image": "DUTS-TR-Image", "DUTS-TR-Mask": "DUTS-TR-Mask"}, ("DUTS-TR-Image",)),
    "duts-te": ("DUTS_TE_PATH", {"DUTS-TE-Image": "DUTS-TE-Image", "DUTS-TE-Mask": "DUTS-TE-Mask"}, ("DUTS-TE-Image",)),
    "bsds": (
        "BSDS_PATH",
        {"images": "images", "groundTruth": "groundTruth"},
        ("images/train", "images/val", "images/test"),
    ),
    "ccp": ("CCP_PATH", {"photos": "photos", "annotations": "annotations"}, ("photos",)),
    "coco-persons": (
        "COCO_PERSONS_PATH",
        {"val2017": "images/val2017", "annotations": "annotations"},
        ("val2017",),
    ),
    "coco": ("COCO_PATH", {"train2017": "train2017", "val2017": "val2017", "annotations": "annotations"}, ("train2017",)),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Link the sets that are given, and list what of each is left out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, (key, links, _) in SETS.items():
        parser.add_argument(
            f"--{option}", type=Path, metavar="DIR", help=f"a copy that holds {', '.join(links.values())} ({key})"
        )
    parser.add_argument(
        "--coco-leave-out", type=Path, metavar="FILE", help="names of further photographs of coco-persons to leave out"
    )
    parser.add_argument("--config-path", default=None, metavar="FILE", help="another config.yml")
    args = parser.parse_args(argv)
    cfg = load_config(args.config_path)
    known = KnownPictures(
        path
        for key, folder in EVALUATED
        for path in list_images(require_path(cfg, key, key.removesuffix("_PATH")) / folder, key)
    )
    log.info("%d evaluation photographs", len(known.paths))
    for option, (key, links, folders) in SETS.items():
        source = getattr(args, option.replace("-", "_"))
        if source is None:
            continue
        root = absolute(cfg, str(cfg[key]))
        link(source.expanduser().resolve(), root, links)
        photographs = [path for folder in folders for path in list_images(root / folder, option)]
        twins = seen_in(tqdm(photographs, desc=option, unit="photograph"), known)
        lines = [f"# {FILE}: shows a photograph of an evaluation set (picture hash, at most {NEAR} of 256 bits differ)"]
        lines += [f"{path.name} # {twin.name}" for path, twin in twins.items()]
        if option == "coco-persons" and args.coco_leave_out:
            lines += args.coco_leave_out.read_text(encoding="utf-8").splitlines()
        (root / FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
        log.info("%s: %d photographs, %d left out: %s", option, len(photographs), len(lines) - 1, root / FILE)


def link(source: Path, root: Path, links: dict[str, str]) -> None:
    """Make ``root`` with a link to each part of a copy; parts that are there already stay.

    Raises:
        IsegmError: the copy lacks a part.
    """
    root.mkdir(parents=True, exist_ok=True)
    for name, place in links.items():
        if (root / name).exists():
            continue
        if not (source / place).exists():
            raise IsegmError(f"{source} holds no {place}; expected {', '.join(links.values())} in it")
        (root / name).symlink_to(source / place)


if __name__ == "__main__":
    run(main)
