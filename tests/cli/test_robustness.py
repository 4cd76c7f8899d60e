"""isegm robustness: every user with every seed once, continued, and tabulated."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from isegm.cli import robustness as command
from isegm.cli.commands import parser_of
from isegm.cli.robustness import plays_of
from isegm.core.errors import IsegmError
from isegm.core.registry import build
from isegm.evaluation.results import RunResult
from isegm.methods.checkpoints import save_model
from isegm.methods.ritm import ritm_hrnet


def parsed(*words: str):
    return parser_of("robustness").parse_args(words)


@pytest.fixture
def flags(tmp_path: Path) -> list[str]:
    torch.manual_seed(0)
    described = ritm_hrnet(width=8, depth="tiny", ocr_width=16)
    save_model(tmp_path / "model.safetensors", build(described), described)
    words = f"--checkpoint {tmp_path}/model.safetensors --datasets synthetic --limit 2 --cpu"
    return f"{words} --n-clicks 2 --no-flip --seeds 2 --output {tmp_path}/out".split()


def test_plays_once_and_writes_tables(
    flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    users = ["--users", "centre", "inside", "worst_of,count=2,seed=7"]
    command.main(parsed(*flags, *users))
    out = tmp_path / "out"
    written = {path.name for path in out.iterdir()}
    results = {"centre", "inside_seed=0", "inside_seed=1", "worst_of_count=2_seed=7"}
    assert written == {f"{n}.json" for n in results} | {"robustness.md", "robustness.csv"}
    labels = [RunResult.load(out / f"{name}.json").protocol["changes"] for name in sorted(results)]
    assert [changes[-1] for changes in labels[1:]] == [
        "user=inside(seed=0)",
        "user=inside(seed=1)",
        "user=worst_of(count=2, seed=7)",
    ]
    said = capsys.readouterr().out
    assert (out / "robustness.md").read_text() in said
    assert "model: protocol ritm v1 (max_clicks=2, mirror=False), checkpoint" in said
    with (out / "robustness.csv").open() as file:
        rows = list(csv.reader(file))
    assert [row[1:3] for row in rows[1:4]] == [
        ["centre", "1"],
        ["inside", "2"],
        ["worst_of,count=2,seed=7", "1"],
    ]
    assert rows[6][:2] == ["synthetic", "2"]

    def again(*_) -> None:
        raise AssertionError("what is there must not be played again")

    monkeypatch.setattr(command, "play_all", again)
    command.main(parsed(*flags, *users))
    assert said.splitlines()[:5] == capsys.readouterr().out.splitlines()[:5]
    command.main(parsed(*flags, *users, "--noc", "80"))
    assert "NoC@80" in (out / "robustness.csv").read_text()
    with pytest.raises(IsegmError, match=r"centre\.json is the result of another run: other data"):
        command.main(parsed(*flags, *users, "--limit", "1"))
    with pytest.raises(IsegmError, match=r"another run: other protocol"):
        command.main(parsed(*flags, *users, "--n-clicks", "3"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seeds", "0"], "--seeds 0: expected a whole number from 1 on"),
        (["--users", "insde"], "did you mean inside"),
        (["--clicks", "none.csv"], r"none\.csv cannot be read"),
        (["--target-iou", "0.85"], "no NoC@90, only 80, 85: objects are stopped at an IoU of 0.85"),
        (["--noc", "75"], "no NoC@75, only 80, 85, 90"),
        (["NoBR"], "unknown mode 'NoBR'; did you mean NoBRS"),
        (["--datasets", "synthetik"], "did you mean synthetic"),
    ],
)
def test_mistakes_are_answered(flags: list[str], words: list[str], message: str) -> None:
    with pytest.raises(IsegmError, match=message):
        command.main(parsed(*flags, *words))


def test_which_users_are_played_with_which_seeds(tmp_path: Path) -> None:
    plays = plays_of(parsed("--output", "out"))
    seeds = [play.user.get("seed") for play in plays]
    assert len(plays) == 2 + 8 * 5
    assert seeds[0] is None
    assert seeds[1:6] == [0, 1, 2, 3, 4]
    assert len({play.file for play in plays}) == len(plays)
    (tmp_path / "c.csv").write_text("dataset,full_stem,x,y,click_type\nA,b,1,2,first\n")
    words = ["--output", "out", "--users", "centre", "centre", "--clicks", str(tmp_path / "c.csv")]
    assert [play.title for play in plays_of(parsed(*words))] == ["centre"] + [
        "recorded,path=c.csv"
    ] * 5
