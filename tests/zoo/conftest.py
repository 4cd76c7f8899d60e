"""A local server, and a zoo whose addresses lead to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from easydict import EasyDict
from file_server import FileServer, serving

from isegm.utils.config import load_config
from isegm.zoo import entries


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as running:
        yield running


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Write a zoo: ``zoo(checkpoints={name: fields}, datasets=...)``."""

    def write(**groups: dict[str, Any]) -> None:
        path = tmp_path / f"zoo{len(list(tmp_path.glob('zoo*.yml')))}.yml"
        path.write_text(yaml.safe_dump(groups))
        monkeypatch.setenv(entries.OTHER_CATALOGUE, str(path))

    return write


@pytest.fixture
def cfg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EasyDict:
    """config.yml of an empty machine."""
    monkeypatch.delenv("ISEGM_DATA", raising=False)
    text = "WEIGHTS_PATH: weights\nEXPS_PATH: runs\nGRABCUT_PATH: ${ISEGM_DATA}/GrabCut\n"
    (tmp_path / "config.yml").write_text(text)
    return load_config(tmp_path / "config.yml")
