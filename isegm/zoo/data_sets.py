"""Data sets: archives downloaded, unpacked into the layout that their readers expect, and found
from then on by config.yml.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from pathlib import Path

from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.utils.config import absolute
from isegm.utils.files import replacing
from isegm.zoo.archives import Damaged, merge, require_room, root_in, unpack
from isegm.zoo.entries import Entry, Remote, for_key
from isegm.zoo.files import by_hand, fetch_file, locked
from isegm.zoo.hashes import forget
from isegm.zoo.transfer import Patience

log = logging.getLogger("isegm")

DATA = "data"  # beside config.yml: where sets go if nothing says where
VARIABLE = "ISEGM_DATA"  # of the environment, which the paths of config.yml use
UNSET = "${}"


def fetch_data_set(
    asked: Entry, cfg: EasyDict, to: str | Path | None = None, patience: Patience | None = None
) -> Path:
    """Download and unpack what is missing of a data set, and write its place into
    ``config.local.yml`` if config.yml names another one.

    Args:
        to: a folder for data sets; this one goes into a folder of its name there.

    Returns:
        The root of the data set.

    Raises:
        IsegmError: as ``isegm.zoo.fetching.fetch``, or an archive is refused, damaged, or holds
            something else.
    """
    root = place_of(asked, cfg, to)
    if all(is_complete(remote, root) for remote in asked.files):
        log.info("%s is here already: %s", asked.name, root)
    elif asked.by_hand:
        _fetch_missing(asked, root, patience)  # says what a person has to do
    else:
        with locked(root):
            _fetch_missing(asked, root, patience)
    try:
        _link(asked, cfg, root)
        _remember(asked, cfg, root)
    except OSError as error:
        raise IsegmError(
            f"{asked.name} is in {root}, but that cannot be noted: {error}; write it under"
            f" {asked.key} in config.yml"
        ) from None
    if asked.note:
        log.info("%s: %s", asked.name, asked.note)
    return root


def _fetch_missing(asked: Entry, root: Path, patience: Patience | None) -> None:
    for remote in asked.files:
        if is_complete(remote, root):
            continue
        if not remote.addresses:
            raise IsegmError(by_hand(asked, remote, root))
        if remote.size is not None:
            require_room(root.parent, 2 * remote.size, f"{remote.file}, packed and unpacked,")
        archive = fetch_file(asked, remote, root.parent / remote.file, patience)
        _bring_into_place(asked, remote, archive, root)


def place_of(asked: Entry, cfg: EasyDict, to: str | Path | None = None) -> Path:
    """Where a data set belongs: in ``to``, where config.yml says, or in ``data`` beside that.

    Sets that share a key share a folder: it is named after the first of them.
    """
    name = (for_key(asked.key) or asked).name
    if to is not None:
        return Path(to).expanduser().absolute() / name
    value = str(cfg.get(asked.key, UNSET))
    if "${" not in value:
        return absolute(cfg, value)
    return absolute(cfg, os.environ.get(VARIABLE) or DATA) / name


def is_complete(remote: Remote, root: Path) -> bool:
    """Whether what an archive holds is in a folder; of a set that a person fetches, whether there
    is a folder at all.
    """
    return root.is_dir() and all((root / name).exists() for name in remote.holds)


def _bring_into_place(asked: Entry, remote: Remote, archive: Path, root: Path) -> None:
    """Unpack beside the root and move the content there, so that nothing half unpacked is ever in
    it; the archive is deleted.
    """
    aside = root.with_name(f".{root.name}.unpacking")
    shutil.rmtree(aside, ignore_errors=True)  # of an interrupted run
    log.info("%s: unpacking %s", asked.name, archive.name)
    try:
        unpack(archive, aside)
        for name in remote.nested:
            if place := root_in(aside, [name]):
                unpack(place / name, (place / name).parent)
                (place / name).unlink()
        found = root_in(aside, remote.holds)
        if found is None:
            raise IsegmError(
                f"{archive} does not hold {', '.join(remote.holds)}, as {asked.name} should; it is"
                f" kept: look into it and put what belongs there into {root}"
            )
        merge(found, root)
    except Damaged as error:
        archive.unlink(missing_ok=True)
        forget(archive)
        raise IsegmError(f"{error}; it was deleted, repeat the command") from None
    except OSError as error:
        raise IsegmError(
            f"{root} cannot be written: {error.strerror or error}; make room or choose another"
            " folder with --to, then repeat the command: the archive is kept"
        ) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    archive.unlink()


def _link(asked: Entry, cfg: EasyDict, root: Path) -> None:
    for folder, there in asked.links:
        key, _, rest = there.partition("/")
        target, link = absolute(cfg, str(cfg.get(key, ""))) / rest, root / folder
        if link.exists():
            continue
        if not target.is_dir():
            log.info("%s: %s is missing; link or copy %s there", asked.name, link, there)
            continue
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target.resolve())
        log.info("%s: linked %s to %s", asked.name, link, target)


def _remember(asked: Entry, cfg: EasyDict, root: Path) -> None:
    """Make config.yml say where the set is."""
    if not asked.key:
        log.info("%s is in %s", asked.name, root)
        return
    value = str(cfg.get(asked.key, UNSET))
    if "${" not in value and absolute(cfg, value).resolve() == root.resolve():
        log.info("%s is in %s, where %s of config.yml says", asked.name, root, asked.key)
        return
    local = Path(cfg.config_path).with_name("config.local.yml")
    text = local.read_text(encoding="utf-8") if local.exists() else ""
    line = f"{asked.key}: {_quoted(str(root))}"
    pattern = re.compile(rf"^{re.escape(asked.key)}:.*$", re.MULTILINE)
    if pattern.search(text):
        text = pattern.sub(lambda _: line, text)
    else:
        text += ("" if text.endswith("\n") or not text else "\n") + line + "\n"
    with replacing(local) as partial:
        partial.write_text(text, encoding="utf-8")
    log.info("%s is in %s; %s now says so in %s", asked.name, root, asked.key, local)


def _quoted(path: str) -> str:
    """A path as a value of YAML, always in quotes: it may hold anything but a line break."""
    return "'" + path.replace("'", "''") + "'"
