"""Volumes to slices to clicks to volumes to numbers, from the command line."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from isegm.cli.commands import parser_of
from isegm.core.errors import IsegmError
from isegm.core.registry import build
from isegm.methods.checkpoints import save_model
from isegm.methods.ritm import ritm_hrnet
from isegm.utils.config import REPOSITORY

nibabel = pytest.importorskip("nibabel")

AFFINE = np.diag([-1.5, -1.5, 3.0, 1.0])


Run = Callable[..., str]


@pytest.fixture
def script(capsys: pytest.CaptureFixture) -> Run:
    """Call a command in this process, which saves the imports; what it prints comes back."""

    def called(name: str, *args: object) -> str:
        module = importlib.import_module(f"isegm.cli.{name}")
        module.main(parser_of(name.replace("_", "-")).parse_args([*map(str, args)]))
        return capsys.readouterr().out

    return called


def refused(script: Run, name: str, *args: object) -> str:
    with pytest.raises(IsegmError) as error:
        script(name, *args)
    return str(error.value)


@pytest.fixture
def task(tmp_path: Path) -> Path:
    """A Decathlon folder of two volumes, a bright ball of labels 1 and 2 in each."""
    for i, centre in enumerate(((20, 24, 2), (26, 18, 3))):
        away = np.stack(
            np.meshgrid(
                *(np.arange(n) - c for n, c in zip((44, 40, 6), centre, strict=True)), indexing="ij"
            )
        )
        distance = np.sqrt((away * np.array([1, 1, 4]).reshape(3, 1, 1, 1)) ** 2).max(0)
        label = (distance < 9).astype(np.uint8) + (distance < 3)
        scan = (
            200 * (label > 0) - 60 + np.random.default_rng(i).normal(0, 10, label.shape)
        ).astype(np.int16)
        for kind, values in (("imagesTr", scan), ("labelsTr", label)):
            (tmp_path / "task" / kind).mkdir(parents=True, exist_ok=True)
            nibabel.save(
                nibabel.Nifti1Image(values, AFFINE), tmp_path / "task" / kind / f"liver_{i}.nii.gz"
            )
    (tmp_path / "task" / "dataset.json").write_text(
        '{"labels": {"0": "background", "1": "liver", "2": "cancer"}}'
    )
    return tmp_path / "task"


def test_the_whole_way(script: Run, task: Path, tmp_path: Path) -> None:
    slices = tmp_path / "liver"
    arguments = (task, "--organ", "liver", "--output", slices)
    assert "2 volumes (0 were there already" in script("extract_slices", *arguments)
    assert "2 volumes (2 were there already" in script("extract_slices", *arguments)
    count = len(list((slices / "masks").iterdir()))

    described = ritm_hrnet(width=8, depth="tiny", ocr_width=16)
    save_model(tmp_path / "tiny.safetensors", build(described), described)
    (tmp_path / "config.yml").write_text(
        f"EXPS_PATH: {tmp_path}\nWEIGHTS_PATH: {tmp_path}\nLIVER_PATH: {slices}\n"
    )
    where = ("--cpu", "--config-path", tmp_path / "config.yml", "--logs-path", tmp_path / "logs")
    play = (
        "--checkpoint",
        "tiny.safetensors",
        "--datasets",
        "liver",
        "--n-clicks",
        2,
        "--vis-preds",
        "--eval-mode",
        "fixed64",
    )
    script("evaluate", "NoBRS", *play, *where)
    predictions = tmp_path / "logs" / "predictions" / "liver"
    assert len(list(predictions.glob("*/mask.png"))) == count

    script("assemble_volume", slices, predictions, "--output", tmp_path / "volumes")
    by_slices = script(
        "medical_metrics", slices, predictions, "--organ", "liver", "--csv", tmp_path / "a.csv"
    )
    script(
        "medical_metrics",
        task / "labelsTr",
        tmp_path / "volumes",
        "--organ",
        "liver",
        "--csv",
        tmp_path / "b.csv",
    )
    assert f"{count} of {count}" in by_slices
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()


def test_perfect_predictions_come_back_as_the_labels(
    script: Run, task: Path, tmp_path: Path
) -> None:
    slices = tmp_path / "liver"
    pair = (
        "--image",
        task / "imagesTr" / "liver_0.nii.gz",
        "--label",
        task / "labelsTr" / "liver_0.nii.gz",
    )
    script("extract_slices", *pair, "--organ", "liver", "--output", slices)
    script("assemble_volume", slices, slices / "masks", "--output", tmp_path / "volumes")
    truth, back = (
        nibabel.load(p / "liver_0.nii.gz") for p in (task / "labelsTr", tmp_path / "volumes")
    )
    assert np.array_equal(back.dataobj, np.asarray(truth.dataobj) > 0)
    assert np.array_equal(back.affine, truth.affine)


def test_what_a_user_can_get_wrong(script: Run, task: Path, tmp_path: Path) -> None:
    out = ("--output", tmp_path / "liver")
    assert "did you mean liver" in refused(script, "extract_slices", task, "--organ", "lever", *out)
    assert "knows no label 5; it knows 0 background" in refused(
        script, "extract_slices", task, "--organ", "liver", "--labels", 5, *out
    )
    assert "both --image and --label" in refused(
        script, "extract_slices", task, "--label", task, "--organ", "liver", *out
    )
    (task / "dataset.json").unlink()
    assert "no volume holds label 5" in refused(
        script, "extract_slices", task, "--organ", "liver", "--labels", 5, *out
    )
    assert "2 of 2 volumes could not be used" in refused(
        script, "extract_slices", task, "--organ", "liver", *out
    )
    nibabel.save(
        nibabel.Nifti1Image(np.zeros((44, 40, 6, 2), np.int16), AFFINE),
        task / "imagesTr" / "liver_1.nii.gz",
    )
    overwritten = refused(script, "extract_slices", task, "--organ", "liver", "--overwrite", *out)
    assert "1 of 2 volumes could not be used" in overwritten
    assert "lacks" in refused(script, "assemble_volume", tmp_path / "liver", task, *out)
    assert "there is no prediction" in refused(
        script, "medical_metrics", tmp_path / "liver", task / "x", "--organ", "liver"
    )


def test_errors_are_one_line_and_status_2(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "scripts/medical_metrics.py",
        tmp_path / "a",
        tmp_path / "b",
        "--organ",
        "liver",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)
    assert done.returncode == 2
    assert done.stderr == f"error: there is no truth {tmp_path / 'a'}\n"
