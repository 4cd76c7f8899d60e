"""From a name to a file or a folder on this machine."""

from __future__ import annotations

import logging
from pathlib import Path

from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.utils.config import load_config
from isegm.zoo.data_sets import fetch_data_set
from isegm.zoo.entries import Entry, entry
from isegm.zoo.files import fetch_file, weights_folder
from isegm.zoo.hashes import check
from isegm.zoo.hub import from_hub
from isegm.zoo.transfer import Patience, Unavailable

log = logging.getLogger("isegm")


def fetch(
    name: str,
    cfg: EasyDict | None = None,
    to: str | Path | None = None,
    patience: Patience | None = None,
) -> Path:
    """What a name of the zoo stands for, downloaded unless it is here already.

    Args:
        name: of an entry, as for ``isegm.zoo.entries.entry``.
        cfg: config.yml (default: the one that ``load_config`` finds); says where things go.
        to: another folder: for checkpoints and backbones instead of WEIGHTS_PATH; a data set goes
            into a folder of its name there.

    Returns:
        The file of a checkpoint or a backbone; the root of a data set.

    Raises:
        IsegmError: an unknown name, no address gives the file, it is not the published file, or
            there is no room. What arrived is kept for the next try, unless it is wrong.
    """
    asked, cfg = entry(name), load_config() if cfg is None else cfg
    if asked.kind == "dataset":
        return fetch_data_set(asked, cfg, to, patience)
    folder = weights_folder(cfg) if to is None else Path(to).expanduser()
    target = folder / asked.file.file
    if not target.is_file():
        return fetch_file(asked, asked.file, target, patience)
    log.info("%s is here already: %s", asked.name, target)
    log.info("%s", check(target, asked.file))
    return target


def find_here(asked: Entry, cfg: EasyDict) -> Path | None:
    """The file of a checkpoint in WEIGHTS_PATH, compared with the published one; None if it is not
    there.

    Raises:
        IsegmError: it is another file than the published one.
    """
    target = weights_folder(cfg) / asked.file.file
    if not target.is_file():
        return None
    log.debug("%s", check(target, asked.file))
    return target


def fetch_from_hub(name: str) -> Path:
    """The file of ``hf:owner/repository/file`` on this machine, downloaded unless it is.

    Raises:
        IsegmError: the name has another form, or the hub does not give the file.
    """
    try:
        return from_hub(name)
    except Unavailable as error:
        raise IsegmError(
            f"{name} could not be downloaded: {error}; check the name, the connection, and, for"
            " another hub than huggingface.co, HF_ENDPOINT"
        ) from None
