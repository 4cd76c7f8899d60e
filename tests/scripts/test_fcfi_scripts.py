"""FCFI through the scripts: a row of its protocol, the flags of its own evaluation, pictures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import write

from isegm.core.registry import build
from isegm.methods.checkpoints import save_model
from isegm.methods.fcfi import fcfi_hrnet
from isegm.utils.config import REPOSITORY


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    described = fcfi_hrnet(width=8, depth="tiny", ocr_width=16, feedback_width=8)
    path = tmp_path_factory.mktemp("fcfi") / "fcfi.safetensors"
    save_model(path, build(described), described)
    return path


def call(script: str, *words: object) -> str:
    command = [sys.executable, str(REPOSITORY / script), *map(str, words)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_flags_of_the_original_evaluation(checkpoint: Path, tmp_path: Path) -> None:
    flags = (
        "--vis-preds",
        "--vis-points",
        "--print-ious",
        "--with-flip",
        "--save-path",
        tmp_path,
        "--n-clicks",
        2,
    )
    said = call(
        "scripts/evaluate_model.py",
        "NoBRS",
        "--resume-path",
        checkpoint,
        "--datasets",
        "synthetic",
        "--cpu",
        "--limit",
        2,
        *flags,
    )
    assert "fcfi_hrnet18 v1 (max_clicks=2)" in said
    assert "mean IoU per click" in said
    pictures = sorted(
        path.name for path in next((tmp_path / "predictions" / "synthetic").iterdir()).iterdir()
    )
    assert pictures == ["click_01.jpg", "click_02.jpg", "mask.png", "mask_01.png", "mask_02.png"]
    (result,) = tmp_path.glob("*.json")
    objects = json.loads(result.read_text())["datasets"][0]["objects"]
    assert [len(o["ious"]) for o in objects] == [2, 2]


def test_a_row_of_the_protocol(checkpoint: Path, tmp_path: Path) -> None:
    write(
        tmp_path / "photo.jpg",
        np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8),
    )
    where = (
        "--checkpoint",
        checkpoint,
        "--image",
        tmp_path / "photo.jpg",
        "--clicks",
        "30,40,1",
        "--cpu",
    )
    said = call("scripts/try_clicks.py", *where, "--protocol", "fcfi_r101", "--dataset", "GrabCut")
    assert "protocol fcfi_r101 v1" in said
