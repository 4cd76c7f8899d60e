"""Sample scores read off an evaluation, through the script that users call."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from isegm.core.errors import IsegmError
from isegm.data.sample_scores import read_scores
from isegm.evaluation.results import DatasetResult, ObjectRecord, RunResult
from isegm.evaluation.sample_scores import sample_scores
from isegm.inference.protocol import load_protocol
from isegm.utils.config import REPOSITORY


def record(id_: str, *ious: float) -> ObjectRecord:
    return ObjectRecord(id_, ((0.0, 0.0, 1),) * len(ious), ious, (0.1,) * len(ious))


RESULT = DatasetResult(
    "SBD_Train",
    "0" * 64,
    (
        record("2008_000001_1", 0.2, 0.4, 0.9),
        record("2008_000001_2", 0.95),
        record("2008_000002_1", 0.5, 0.6, 0.7),
    ),
    (0.8, 0.85, 0.9),
    20,
    skipped=(("2008_000002_4", "empty"), ("2008_000003_unreadable", "broken")),
)


def test_mean_over_the_objects_of_an_image() -> None:
    scores = sample_scores(RESULT, clicks=2)
    assert scores == pytest.approx(
        {"2008_000001": (0.4 + 0.95) / 2, "2008_000002": 0.6, "2008_000003": 1.0}
    )
    assert sample_scores(RESULT, clicks=20)["2008_000002"] == pytest.approx(0.7)
    with pytest.raises(IsegmError, match="at least 1"):
        sample_scores(RESULT, clicks=0)
    with pytest.raises(IsegmError, match="image name"):
        sample_scores(DatasetResult("GrabCut", "", (record("sheep", 0.5),), (0.9,), 20), clicks=1)


def test_script(tmp_path: Path) -> None:
    result, scores = tmp_path / "result.json", tmp_path / "scores.json"
    RunResult.of(load_protocol("ritm"), {"sha256": "abc"}, [RESULT], "").save(result)
    command = [
        sys.executable,
        "scripts/score_samples.py",
        str(result),
        "--clicks",
        "1",
        "--output",
        str(scores),
    ]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    assert read_scores(scores, ["2008_000002", "2008_000003"]).tolist() == [0.5, 1.0]
    assert json.loads(scores.read_text())["checkpoint"] == {"sha256": "abc"}
    failed = subprocess.run(
        [*command, "--dataset", "SBD"], cwd=REPOSITORY, check=False, capture_output=True, text=True
    )
    assert failed.returncode == 2
    assert "did you mean SBD_Train" in failed.stderr
