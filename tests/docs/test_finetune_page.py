"""The commands of docs/how-to/finetune.md, one after another, on small volumes and for two steps of
training.
"""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from isegm.evaluation.pages import BLOCK
from isegm.evaluation.results import RunResult
from isegm.methods.checkpoints import find_checkpoint
from isegm.originals.loading import load_model
from isegm.utils.config import REPOSITORY

nibabel = pytest.importorskip("nibabel")

PAGE = (REPOSITORY / "docs/how-to/finetune.md").read_text()
SHORT = (
    "--workers 0 --set train.max_steps=2 --set train.batch_size=2 --set data.augment.crop=[64,64]"
)
SHORTER = {"train.py": SHORT, "scripts/evaluate_model.py": "--limit 2 --n-clicks 5"}
VOLUMES = (1, 3, 4, 6, 7, 8, 11, 14)


def commands() -> list[str]:
    blocks = re.findall(
        r"^```sh\n(.*?)^```$", PAGE.partition("## Your own folder")[0], re.MULTILINE | re.DOTALL
    )
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Run a command of the page in this process, short, with a folder of its own as working
    folder.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ISEGM_DATA", str(tmp_path / "data"))
    (settings,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "config.yml").write_text(
        "EXPS_PATH: experiments\nWEIGHTS_PATH: weights\n" + settings
    )
    (tmp_path / "docs/how-to").mkdir(parents=True)
    (tmp_path / "docs/how-to/finetune.md").write_text(PAGE)

    def called(command: str) -> None:
        line = command.replace("$ISEGM_DATA", str(tmp_path / "data")).replace("--ngpus 2", "")
        python, script, *words = shlex.split(line)
        assert python == "python"
        words = [str(REPOSITORY / word) if word.startswith("models/") else word for word in words]
        monkeypatch.setattr(sys, "argv", [script, *words, *SHORTER.get(script, "").split()])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(REPOSITORY / script), run_name="__main__")
        assert not ended.value.code, command

    return called


def volumes(folder: Path) -> None:
    """A bright ball on a dark ground in each of the volumes that the page names."""
    away = np.stack(np.meshgrid(*(np.arange(n) - n // 2 for n in (40, 36, 3)), indexing="ij"))
    label = (np.sqrt((away * np.array([1, 1, 3]).reshape(3, 1, 1, 1)) ** 2).max(0) < 9).astype(
        np.uint8
    )
    for number in VOLUMES:
        noise = np.random.default_rng(number).normal(60, 10, label.shape)
        for kind, values in (
            ("imagesTr", (noise + 120 * label).astype(np.int16)),
            ("labelsTr", label),
        ):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            image = nibabel.Nifti1Image(values, np.diag([-1.0, -1.0, 1.0, 1.0]))
            nibabel.save(image, folder / kind / f"hippocampus_{number:03d}.nii.gz")


def test_the_commands_run_and_fill_the_table(run: Callable[[str], None], tmp_path: Path) -> None:
    volumes(tmp_path / "data/MSD_Task04_Hippocampus")
    for command in commands():
        run(command)
    results = [
        RunResult.load(tmp_path / f"experiments/finetune/{n}.json")
        for n in ("asis", "finetuned", "scratch")
    ]
    assert len({result.checkpoint["sha256"] for result in results}) == 3
    filled = BLOCK.search((tmp_path / "docs/how-to/finetune.md").read_text())[1]
    for name in ("starter as it is", "fine-tuned", "from scratch"):
        assert f"| {name}" in filled
    trained = {
        s.name.rsplit("_")[-1]
        for s in (tmp_path / "slices/hippocampus_train/volumes").glob("*.json")
    }
    tested = {
        s.name.rsplit("_")[-1]
        for s in (tmp_path / "slices/hippocampus_test/volumes").glob("*.json")
    }
    assert len(trained) == 5
    assert not trained & tested
    starter = load_model(find_checkpoint({}, "starter")).model.state_dict()
    runs = tmp_path / "experiments/starter/finetune_hippocampus"
    away = [
        max(
            float((starter[key] - value).abs().max())
            for key, value in state.items()
            if key.startswith("backbone")
        )
        for name in ("000_finetuned", "001_scratch")
        if (state := load_model(runs / name / "model.safetensors").model.state_dict())
    ]
    assert away[0] < away[1] / 4  # two steps from the starter, not from random weights
    assert torch.isfinite(torch.tensor(away)).all()


def test_a_pattern_of_volumes_that_matches_none(run: Callable[[str], None], tmp_path: Path) -> None:
    volumes(tmp_path / "data/MSD_Task04_Hippocampus")
    wrong = commands()[0].replace("hippocampus_00[1-7]", "hippocampus_00[1-7],hippocampus_099")
    with pytest.raises(AssertionError):
        run(wrong)
    assert not (tmp_path / "slices").exists()
