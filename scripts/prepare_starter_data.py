r"""Bring the photographs that the starter is trained on into place, from copies on this machine.

    python scripts/prepare_starter_data.py --duts-tr DIR --duts-te DIR --bsds DIR --ccp DIR \
        --coco DIR --coco-persons DIR --coco-leave-out FILE

Give any of them. Nothing is copied: the parts of a set are linked to where config.yml expects it,
and what is there already stays. Then every photograph is compared, mirrored too, with those of
GrabCut and Berkeley by picture hash, and the files that show one of these are added to
leave_out.txt in the root of the set; the loaders obey that list. Where the sets come from and what
their terms are: docs/reference/data.md.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from easydict import EasyDict
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this clone's package first

from isegm.cli.running import run
from isegm.core.errors import IsegmError
from isegm.data.leave_out import FILE, left_out, listed_stems
from isegm.data.picture_hash import NEAR, KnownPictures, seen_in
from isegm.data.places import require_path
from isegm.data.reading import list_images
from isegm.utils.config import absolute, load_config

log = logging.getLogger("isegm")

EVALUATED = (("GRABCUT_PATH", "data_GT"), ("BERKELEY_PATH", "images"))
HEADER = "# shows a photograph of an evaluation set"
HEADER += f" (picture hash, at most {NEAR} of 256 bits differ)"


@dataclass(frozen=True)
class Set:
    """A set of photographs.

    Attributes:
        key: of config.yml, its root.
        parts: what a copy must hold; linked under the same name, or under the second of a pair.
        photographs: folders to compare with the evaluation sets.
    """

    key: str
    parts: tuple[str | tuple[str, str], ...]
    photographs: tuple[str, ...]

    def links(self) -> dict[str, str]:
        """Name in the root to place in the copy."""
        pairs = [(part, part) if isinstance(part, str) else part for part in self.parts]
        return {name: place for place, name in pairs}


SETS = {
    "duts-tr": Set("DUTS_TR_PATH", ("DUTS-TR-Image", "DUTS-TR-Mask"), ("DUTS-TR-Image",)),
    "duts-te": Set("DUTS_TE_PATH", ("DUTS-TE-Image", "DUTS-TE-Mask"), ("DUTS-TE-Image",)),
    "bsds": Set(
        "BSDS_PATH",
        ("images", "groundTruth"),
        ("images/train", "images/val", "images/test"),
    ),
    "ccp": Set("CCP_PATH", ("photos", "annotations"), ("photos",)),
    "coco": Set("COCO_PATH", ("train2017", "val2017", "annotations"), ("train2017",)),
    "coco-persons": Set(
        "COCO_PERSONS_PATH",
        (("images/val2017", "val2017"), "annotations"),
        ("val2017",),
    ),
}


def main(argv: Sequence[str] | None = None) -> None:
    """Link the sets that are given, and list the files of each that are left out."""
    args = parse_args(argv)
    given = {option: getattr(args, option.replace("-", "_")) for option in SETS}
    if not any(given.values()):
        raise IsegmError(f"no set was given; expected any of --{', --'.join(SETS)} DIR")
    further = listed_stems(args.coco_leave_out) if args.coco_leave_out else frozenset()
    cfg = load_config(args.config_path)
    known = evaluated(cfg)
    for option, source in given.items():
        if source is None:
            continue
        data_set = SETS[option]
        root = absolute(cfg, str(cfg[data_set.key]))
        link(source.expanduser().resolve(), root, data_set.links())
        found = [p for sub in data_set.photographs for p in list_images(root / sub, option)]
        twins = seen_in(tqdm(found, desc=option, unit="photograph", disable=None), known)
        lines = {path.stem: f"{path.name} # {twin.name}" for path, twin in twins.items()}
        add_to_list(root, HEADER, lines)
        if option == "coco-persons":
            add_to_list(root, "# named by --coco-leave-out", {stem: stem for stem in further})
        without = left_out(root)
        count = sum(path.stem in without for path in found)
        log.info("%s: %d of %d photographs are left out", option, count, len(found))


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)

    def add(flag: str) -> None:
        data_set = SETS[flag.removeprefix("--")]
        holds = f"a copy that holds {', '.join(data_set.links().values())} ({data_set.key})"
        parser.add_argument(flag, type=Path, metavar="DIR", help=holds)

    add("--duts-tr")
    add("--duts-te")
    add("--bsds")
    add("--ccp")
    add("--coco")
    add("--coco-persons")
    parser.add_argument(
        "--coco-leave-out",
        type=Path,
        metavar="FILE",
        help="names of further photographs of coco-persons to leave out, one per line",
    )
    parser.add_argument("--config-path", default=None, metavar="FILE", help="another config.yml")
    return parser.parse_args(argv)


def evaluated(cfg: EasyDict) -> KnownPictures:
    """The photographs of GrabCut and Berkeley."""
    paths: list[Path] = []
    for key, folder in EVALUATED:
        name = key.removesuffix("_PATH")
        paths += list_images(require_path(cfg, key, name) / folder, name)
    log.info("%d evaluation photographs", len(paths))
    return KnownPictures(paths)


def link(source: Path, root: Path, links: dict[str, str]) -> None:
    """Make ``root`` with a link to each part of a copy; parts that are there already stay.

    Raises:
        IsegmError: the copy lacks a part, or a link in the root leads nowhere.
    """
    needed = {name: place for name, place in links.items() if not (root / name).exists()}
    for name, place in needed.items():
        if not (source / place).exists():
            expected = ", ".join(links.values())
            raise IsegmError(f"{source} holds no {place}; expected {expected} in it")
        if (root / name).is_symlink():
            raise IsegmError(f"{root / name} is a link that leads nowhere; remove it and try again")
    root.mkdir(parents=True, exist_ok=True)
    for name, place in needed.items():
        (root / name).symlink_to(source / place)


def add_to_list(root: Path, header: str, lines: dict[str, str]) -> None:
    """Add lines, by the stems that they name, to the list in ``root``; what it names stays."""
    known, path = left_out(root), root / FILE
    added = [line for stem, line in sorted(lines.items()) if stem not in known]
    if added:
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        path.write_text("\n".join([*before.splitlines(), header, *added]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(run(main))
