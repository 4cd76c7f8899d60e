"""Where data sets are on this machine, by config.yml."""

from __future__ import annotations

import re
from pathlib import Path

from easydict import EasyDict

from isegm.core.errors import IsegmError, unknown
from isegm.utils.config import absolute
from isegm.zoo.entries import for_key


def require_path(cfg: EasyDict, key: str, what: str) -> Path:
    """The path that config.yml gives under ``key``, as an absolute path that exists.

    Raises:
        IsegmError: the key is missing, names an unset environment variable, or the path does not
            exist.
    """
    if key not in cfg:
        raise unknown(
            f"key in {cfg.get('config_path', 'config.yml')} (for {what})",
            key,
            [k for k in cfg if k.endswith("_PATH")],
        )
    value = str(cfg[key])
    if missing := re.findall(r"\$\{(\w+)\}", value):
        raise IsegmError(
            f"{what}: {key} is {value!r} in {cfg.config_path}, but {missing[0]} is not set;"
            f" set it in the environment, or write the path there{_download(key)}"
        )
    path = absolute(cfg, value)
    if not path.exists():
        raise IsegmError(
            f"{what}: {path} does not exist; put the data there or change {key} in"
            f" {cfg.config_path}{_download(key)}"
        )
    return path


def _download(key: str) -> str:
    """How the set of a key comes here; empty if the zoo does not know it."""
    known = for_key(key)
    return f", or {known.how}" if known else ""
