"""A server, a client and pictures. Without the extra ``demo`` there is nothing to test here."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

if not all(importlib.util.find_spec(name) for name in ("fastapi", "uvicorn", "python_multipart", "httpx")):
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def photo() -> bytes:
    from demo_server import photo_of

    return photo_of(0)


@pytest.fixture
def client() -> Iterator[TestClient]:
    from demo_server import app_of, connected

    with connected(app_of()) as client:
        yield client


@pytest.fixture
def folder(tmp_path: Path, photo: bytes) -> Path:
    """A folder of pictures beside something that is none of the visitor's business."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a photo.png").write_bytes(photo)
    (tmp_path / "secret.png").write_bytes(photo)
    (tmp_path / "photos" / "link.png").symlink_to(tmp_path / "secret.png")
    return tmp_path / "photos"
