"""A session recorded on a server, answered again on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from isegm.core.registry import build
from isegm.demo.limits import Limits
from isegm.demo.store import SessionStore
from isegm.demo.values import Picture
from isegm.demo.workspace import Workspace
from isegm.evaluation.results import RunResult
from isegm.inference.protocol import load_protocol
from isegm.inference.settings import Answering
from isegm.methods.checkpoints import save_model
from isegm.methods.ritm import ritm_hrnet
from isegm.originals.loading import load_model
from isegm.utils.config import REPOSITORY


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    described = ritm_hrnet(width=8, depth="tiny", ocr_width=16)
    save_model(tmp_path / "tiny.safetensors", build(described), described)
    return tmp_path / "tiny.safetensors"


@pytest.fixture
def session(checkpoint: Path) -> Path:
    """Two objects, the second with other settings."""
    loaded = load_model(checkpoint)
    answering = Answering(loaded.model.requires_grad_(False), load_protocol("ritm"))
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    data = cv2.imencode(".png", image[:, :, ::-1])[1].tobytes()
    work = Workspace(
        answering, Picture("noise.png", data, image), SessionStore(Limits()).turn, 1 << 20
    )
    work.click(30, 40, True)
    median = float(np.median(work.shown()[0]))
    work.configure({"threshold": round(min(0.95, max(0.05, median)), 3), "size": 96})
    work.click(10, 70, False)
    work.finish()
    work.configure({"mode": "f-BRS-B", "iterations": 3})
    work.click(20, 20, True)
    work.click(50, 60, False)
    file = work.record(
        {"name": "tiny", "sha256": loaded.sha256},
        {"name": "ritm", "dataset": None, "label": "ritm v1"},
        with_image=True,
    )
    path = checkpoint.parent / "session.json"
    path.write_text(json.dumps(file.as_json()))
    return path


def evaluate(*args: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "scripts/evaluate_model.py", *map(str, args), "--cpu"]
    return subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)


def test_recorded_clicks_give_the_recorded_masks(checkpoint: Path, session: Path) -> None:
    result = checkpoint.parent / "replay.json"
    done = evaluate("--checkpoint", checkpoint, "--replay", session, "--save-json", result)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("2 clicks, as recorded") == 2
    assert "another" not in done.stderr
    (found,) = RunResult.load(result).datasets
    assert [len(record.clicks) for record in found.objects] == [2, 2]


def test_what_differs_is_said(checkpoint: Path, session: Path) -> None:
    data = json.loads(session.read_text())
    del data["image"]["data"]
    session.write_text(json.dumps(data))
    failed = evaluate("--checkpoint", checkpoint, "--replay", session)
    assert failed.returncode == 2
    assert "--image noise.png" in failed.stderr
    other = checkpoint.parent / "noise.png"
    cv2.imwrite(str(other), np.zeros((60, 80, 3), np.uint8))
    done = evaluate("--checkpoint", checkpoint, "--replay", session, "--image", other)
    assert "on another image" in done.stderr


def test_another_method_leaves_out_what_it_lacks_and_an_unknown_protocol_is_asked_for(
    checkpoint: Path, session: Path
) -> None:
    data = json.loads(session.read_text())
    for found in data["objects"]:
        found["settings"]["window"] = 0.3
    data["protocol"] = {"name": "my.file", "dataset": None, "label": "mine v3"}
    session.write_text(json.dumps(data))
    failed = evaluate("--checkpoint", checkpoint, "--replay", session)
    assert failed.returncode == 2
    assert "recorded under mine v3" in failed.stderr
    assert "my.file.yml" in failed.stderr
    protocol = checkpoint.parent / "my.file.yml"
    protocol.write_text(
        (REPOSITORY / "configs/eval/ritm.yml").read_text().replace("name: ritm", "name: mine")
    )
    done = evaluate("--checkpoint", checkpoint, "--replay", session, "--protocol", protocol)
    assert done.returncode == 0, done.stderr
    assert "no setting window" in done.stderr
    assert "another protocol (mine v3, now mine v1)" in done.stderr
    assert done.stdout.count("as recorded") == 2


def test_a_mode_is_still_asked_for(checkpoint: Path) -> None:
    failed = evaluate("--checkpoint", checkpoint)
    assert failed.returncode == 2
    assert "which mode?" in failed.stderr
