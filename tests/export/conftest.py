"""Without the extra ``onnx`` there is nothing to test here."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

if not all(importlib.util.find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime")):
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter as a single file."""
    from isegm.cli.commands import run_command

    path = tmp_path_factory.mktemp("exported") / "starter.onnx"
    assert run_command("export", ["starter", str(path)]) == 0
    return path
