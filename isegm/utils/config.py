"""config.yml: where data sets, weights and run folders are on this machine."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.utils.files import read_yaml

REPOSITORY = Path(__file__).resolve().parents[2]
# setup.py puts this folder into a wheel; a clone has none.
SHIPPED = Path(__file__).resolve().parents[1] / "shipped"


def repository_roots() -> tuple[Path, ...]:
    """Where files of the repository are looked for, in this order.

    Normally the clone. An installed wheel looks in the working folder, which may be a clone, and
    then among its own copies of the files that are read at run time.
    """
    return (Path.cwd(), SHIPPED) if SHIPPED.is_dir() else (REPOSITORY,)


def repository_file(name: str) -> Path:
    """A file of the repository by its path there, e.g. ``"assets/published.csv"``; it need not
    exist.
    """
    places = [root / name for root in repository_roots()]
    return next((place for place in places if place.exists()), places[0])


def load_config(path: str | Path | None = None) -> EasyDict:
    """Read config.yml (by default that of the working folder or, if it has none, of this
    repository).

    Values may use ``${NAME}`` for an environment variable or another key. ``config.local.yml``
    beside the file overrides it. For the copy in an installed wheel, relative paths start at the
    working folder.

    Raises:
        IsegmError: the file is missing, or is no YAML mapping.
    """
    if path is None:
        path = next(
            (p for p in (Path("config.yml"), repository_file("config.yml")) if p.exists()),
            "config.yml",
        )
    path = Path(path)
    values = _read(path)
    place = Path("config.yml") if SHIPPED in path.parents else path
    local = place.with_name("config.local.yml")
    if local.exists():
        values.update(_read(local))
    cfg = EasyDict(_expanded(values, values))
    cfg.config_path = str(place.resolve())
    return cfg


def absolute(cfg: EasyDict, value: str) -> Path:
    """A path from config.yml; relative ones start at the folder of that file.

    Raises:
        IsegmError: it is empty.
    """
    if not isinstance(value, str) or value.strip() in ("", "None"):
        raise IsegmError(f"a path in {cfg.config_path} is {value!r}; expected a folder or a file")
    path = Path(value).expanduser()
    return path if path.is_absolute() else Path(cfg.config_path).parent / path


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise IsegmError(
            f"there is no configuration file {path}; pass --config-path, or copy config.yml of the"
            " repository"
        )
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise IsegmError(f"{path} must hold 'KEY: value' lines, found {type(values).__name__}")
    _check_keys(values, path)
    return values


def _check_keys(values: dict[Any, Any], path: Path) -> None:
    for key, value in values.items():
        if not isinstance(key, str):
            raise IsegmError(f"{path}: the key {key!r:.60} is no name; write it in quotes")
        if isinstance(value, dict):
            _check_keys(value, path)


def _expanded(value: Any, names: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {k: _expanded(v, names) for k, v in value.items()}
    if not isinstance(value, str):
        return value

    def replacement(match: re.Match[str]) -> str:
        value = names.get(match.group(1))
        other = value if isinstance(value, str) else match.group(0)
        return os.environ.get(match.group(1)) or other

    return re.sub(r"\$\{(\w+)\}", replacement, value)
