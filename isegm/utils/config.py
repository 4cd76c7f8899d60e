"""config.yml: where data sets, weights and run folders are on this machine."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import yaml
from easydict import EasyDict

from isegm.core.errors import IsegmError

REPOSITORY = Path(__file__).resolve().parents[2]
SHIPPED = (
    Path(__file__).resolve().parents[1] / "shipped"
)  # what setup.py puts into a wheel; a clone has no such folder


def repository_roots() -> tuple[Path, ...]:
    """Where files of the repository are looked for, first come first served.

    That is the clone. An installed wheel has none around it: there the working folder may be one,
    and the wheel carries copies of the files that are read at run time.
    """
    return (Path.cwd(), SHIPPED) if SHIPPED.is_dir() else (REPOSITORY,)


def repository_file(name: str) -> Path:
    """A file of the repository by its path there, e.g. ``"assets/published.csv"``; it need not
    exist.
    """
    places = [root / name for root in repository_roots()]
    return next((place for place in places if place.exists()), places[0])


def load_config(path: str | Path | None = None) -> EasyDict:
    """Read config.yml (by default the one of this repository, or of the working folder if that has
    one).

    Values may use ``${NAME}`` for an environment variable or another key. ``config.local.yml``
    beside the file overrides it. Of the copy in an installed wheel, relative paths start at the
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
    """A path from config.yml; relative ones start at the folder of that file."""
    path = Path(value).expanduser()
    return path if path.is_absolute() else Path(cfg.config_path).parent / path


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise IsegmError(
            f"there is no configuration file {path}; pass --config-path, or copy config.yml of the"
            " repository"
        )
    try:
        values = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise IsegmError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(values, dict):
        raise IsegmError(f"{path} must hold 'KEY: value' lines, found {type(values).__name__}")
    return values


def _expanded(value: Any, names: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {k: _expanded(v, names) for k, v in value.items()}
    if not isinstance(value, str):
        return value

    def replacement(match: re.Match[str]) -> str:
        name = match.group(1)
        return os.environ.get(name) or (
            str(names[name]) if isinstance(names.get(name), str) else match.group(0)
        )

    return re.sub(r"\$\{(\w+)\}", replacement, value)
