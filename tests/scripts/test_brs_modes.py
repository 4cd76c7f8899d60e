"""The BRS modes from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from isegm.core.registry import build
from isegm.methods.checkpoints import save_model
from isegm.methods.fbrs import fbrs_hrnet
from isegm.utils.config import REPOSITORY

TINY = fbrs_hrnet(width=8, depth="tiny", ocr_width=16)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    save_model(tmp_path / "tiny.safetensors", build(TINY), TINY)
    return tmp_path / "tiny.safetensors"


def evaluate(mode: str, checkpoint: Path, *args: object) -> subprocess.CompletedProcess:
    command = (
        "scripts/evaluate_model.py",
        mode,
        "--checkpoint",
        checkpoint,
        "--datasets",
        "synthetic",
        "--limit",
        1,
        *args,
    )
    where = ("--cpu", "--logs-path", checkpoint.parent / "logs")
    return subprocess.run(
        [sys.executable, *map(str, command + where)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )


def test_a_mode_is_evaluated_under_its_own_name(checkpoint: Path) -> None:
    done = evaluate("f-BRS-B", checkpoint, "--n-clicks", 3)
    assert done.returncode == 0, done.stderr
    assert "tiny_f-BRS-B" in done.stdout
    written = json.loads((checkpoint.parent / "logs" / "tiny_f-BRS-B.json").read_text())
    assert written["checkpoint"]["mode"] == "f-BRS-B"


def test_an_unknown_mode_names_the_nearest(checkpoint: Path) -> None:
    failed = evaluate("fBRS-B", checkpoint)
    assert failed.returncode == 2
    assert "did you mean f-BRS-B" in failed.stderr
