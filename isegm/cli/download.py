"""Download published checkpoints, data sets and pretrained backbones by name.

    isegm download --list                       what there is, how large, under which licence
    isegm download ritm_h18s_cocolvis           into WEIGHTS_PATH of config.yml
    isegm download GrabCut Berkeley             where config.yml says, unpacked
    isegm download SBD --to /mnt/data           into /mnt/data/SBD; config.local.yml then says so
    isegm download --set checkpoints            all that have an address
    isegm download hf:owner/repository/model.safetensors

An interrupted download resumes when the command is repeated. Every file is compared with its
published hash before it is used; where nobody published one, the hash of the first download is
recorded in downloads.json beside the file and compared from then on. Exit status: 0 if everything
is here, 2 if something is not.
"""

from __future__ import annotations

import argparse
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from easydict import EasyDict

from isegm.cli import flags
from isegm.cli.running import say
from isegm.core.errors import IsegmError
from isegm.methods.checkpoints import SHIPPED
from isegm.utils.config import load_config
from isegm.zoo.data_sets import is_complete, place_of
from isegm.zoo.entries import Entry, entries, entry, readable
from isegm.zoo.fetching import fetch, fetch_from_hub
from isegm.zoo.files import weights_folder
from isegm.zoo.hub import HF

log = logging.getLogger("isegm")

SETS = {"data": "dataset", "checkpoints": "checkpoint"}
TITLES = {"checkpoint": "checkpoints", "dataset": "data sets", "backbone": "pretrained backbones"}
IN_THE_PACKAGE = (*SHIPPED, "photos", "synthetic")


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="names of the list")
    parser.add_argument("--list", action="store_true", help="show what there is and what is here")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="put it into another folder")
    parser.add_argument("--set", choices=SETS, help="everything of a kind that has an address")
    flags.add_config(parser)


def main(args: argparse.Namespace) -> int:
    """0 if everything is here, else 2."""
    cfg = load_config(args.config_path)
    if args.list:
        return show(args, cfg)
    names, skipped = list(args.names), []
    if args.set:
        chosen = entries(SETS[args.set])
        names += [each.name for each in chosen if not each.by_hand]
        skipped = [each.name for each in chosen if each.by_hand]
    if not names:
        raise IsegmError("name what to download; isegm download --list shows what there is")
    wanted = dict.fromkeys(map(_known, names))
    failed = 0
    with _stoppable():
        for name in wanted:
            # what was downloaded before may have changed config.local.yml
            failed += not _download(name, load_config(args.config_path), args.to)
    if failed and len(wanted) > 1:
        log.error("%d of %d are not here", failed, len(wanted))
    if skipped:
        say(f"without an address, so not downloaded: {', '.join(skipped)}; name one to learn how")
    return 2 if failed else 0


def show(args: argparse.Namespace, cfg: EasyDict) -> int:
    """Print the list, or the part of it that is asked for."""
    names = {entry(name).name for name in args.names}
    for kind, title in TITLES.items():
        listed = [each for each in entries(kind) if not names or each.name in names]
        if not listed or (args.set and kind != SETS[args.set]):
            continue
        say(f"{title}:")
        width = max(len(each.name) for each in listed) + 2
        for each in listed:
            here = "here" if is_here(each, cfg, args.to) else "by hand" if each.by_hand else ""
            size = readable(each.size) if each.size else ""
            say(f"  {each.name:{width}}{here:9}{size:>9}  {each.licence}")
        say()
    say("by hand: no address names the file; isegm download NAME says where to find it")
    return 0


def is_here(each: Entry, cfg: EasyDict, to: Path | None) -> bool:
    """Whether an entry has been downloaded; files are not compared for that."""
    if each.kind != "dataset":
        return ((to or weights_folder(cfg)) / each.file.file).is_file()
    root = place_of(each, cfg, to)
    return all(is_complete(remote, root) for remote in each.files)


def _known(name: str) -> str:
    """A name as it was given, or the name of its entry.

    Raises:
        IsegmError: there is nothing of that name to download.
    """
    if name.startswith(HF):
        return name
    if name in IN_THE_PACKAGE:
        raise IsegmError(f"{name} comes with the package; there is nothing to download")
    return entry(name).name


def _download(name: str, cfg: EasyDict, to: Path | None) -> bool:
    try:
        path = fetch_from_hub(name) if name.startswith(HF) else fetch(name, cfg, to)
    except IsegmError as error:
        log.error("error: %s", error)
        return False
    say(f"{name}: {path}")
    return True


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM ends a download as Ctrl-C does, and both say that nothing is lost."""

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        log.info("what arrived is kept; the same command resumes there")
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
