"""Runs against each other: known answers, and what must not be compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from isegm.cli.commands import run_command
from isegm.core.errors import IsegmError
from isegm.evaluation.comparison import pair, paired_table, pairs_of, seeds_table
from isegm.evaluation.report import table
from isegm.evaluation.results import DatasetResult, ObjectRecord, RunResult
from isegm.inference.protocol import load_protocol

NEVER, AT_ONCE, SLOWLY = (0.5,) * 20, (0.94,), (0.6, 0.7, 0.95)


def data(
    curves: dict[str, tuple[float, ...]], name: str = "GrabCut", **changes: object
) -> DatasetResult:
    records = (
        ObjectRecord(i, ((0.0, 0.0, 1),) * len(c), c, (0.1,) * len(c)) for i, c in curves.items()
    )
    made = DatasetResult(name, "ab" * 32, tuple(records), (0.8, 0.85, 0.9), 20)
    return replace(made, **changes)


def run(model: str, *datasets: DatasetResult, protocol: str = "ritm") -> RunResult:
    identity = {"path": "model.pth", "sha256": "12" * 32}
    return RunResult.of(load_protocol(protocol), identity, datasets, model)


FIRST = run("first", data({"a": AT_ONCE, "b": SLOWLY, "c": NEVER, "d": SLOWLY}))
SECOND = run("second", data({"a": SLOWLY, "b": SLOWLY, "c": SLOWLY, "d": AT_ONCE}))


def compared(a: RunResult, b: RunResult, metric: str = "NoC@90"):
    return pair((a, b), (a.datasets[0], b.datasets[0]), metric)


def test_known_answers() -> None:
    found = compared(FIRST, SECOND)
    assert found.values == ((1 + 3 + 20 + 3) / 4, (3 + 3 + 3 + 1) / 4)
    assert found.change.value == (2 + 0 - 17 - 2) / 4
    assert (found.better, found.worse, found.equal) == (2, 1, 1)
    assert found.extremes == (("c", 20, 3), ("a", 1, 3), ("d", 3, 1))
    assert found.notes == ()
    better = compared(FIRST, SECOND, "mIoU@1")  # higher is better here
    assert (better.better, better.worse, better.equal) == (2, 1, 1)


def test_early_stops_are_marked_where_they_matter() -> None:
    assert "stopped early" in compared(FIRST, SECOND, "AUC").notes[0]
    assert compared(FIRST, SECOND, "mIoU@1").notes == ()
    whole = [run("x", data({"a": (v,) * 20, "b": (0.96,) * 20})) for v in (0.5, 0.6)]
    assert compared(*whole, "AUC").notes == ()


def test_the_table_says_so(capsys: pytest.CaptureFixture) -> None:
    lines = paired_table([FIRST, SECOND], ["NoC@90", "fail@90"]).splitlines()
    cells = [cell.strip() for cell in lines[2].split("|")[1:-1]]
    assert cells[:4] == ["second", "GrabCut NoC@90", "6.75", "2.50"]
    assert cells[4].startswith("-4.25 [")
    assert cells[5:] == ["50", "25"]
    assert any("most different: c 20 -> 3, a 1 -> 3, d 3 -> 1" in line for line in lines)
    assert any("GrabCut fail@90, second, most different: c yes -> no" in line for line in lines)
    assert not any("**" in line for line in lines)
    assert paired_table([FIRST, SECOND], ["NoC@90"], "csv").count("\n") == 1


def test_objects_that_one_run_skipped_are_left_out_and_counted() -> None:
    fewer = data({"a": AT_ONCE, "c": NEVER, "x": AT_ONCE}, skipped=(("b", "unreadable"),))
    found = compared(FIRST, run("other", fewer))
    assert found.objects == 2
    assert found.change.value == 0
    assert found.notes == (
        "**other objects**: 2 are in both runs; left out are 2 of the first and 1 of the second"
        " run (0 and 1 were skipped)",
    )


def test_other_protocols_are_marked() -> None:
    other = run("other", *SECOND.datasets, protocol="fcanet")
    (note,) = compared(FIRST, other).notes
    assert "**different protocols** (ritm v1; fcanet v2)" in note
    newer = replace(SECOND, protocol={"name": "ritm", "version": 2, "changes": []})
    assert "ritm v1; ritm v2" in compared(FIRST, newer).notes[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fingerprint": "cd" * 32}, "different ground truths"),
        ({"max_clicks": 10}, "at most 20 clicks, the other 10"),
    ],
)
def test_what_must_not_be_compared(changes: dict[str, object], message: str) -> None:
    other = run("other", replace(SECOND.datasets[0], **changes))
    with pytest.raises(IsegmError, match=message):
        compared(FIRST, other)
    # Plain tables give them columns of their own.
    assert table([FIRST, other], ["NoC@90"]).splitlines()[0].count("NoC@90") == 2


def test_what_else_is_refused() -> None:
    with pytest.raises(IsegmError, match="at least two result files"):
        pairs_of([FIRST])
    with pytest.raises(IsegmError, match="no data set in common"):
        pairs_of([FIRST, run("x", data({"a": AT_ONCE}, "Berkeley"))])
    with pytest.raises(IsegmError, match="no object in common"):
        compared(FIRST, run("x", data({"y": AT_ONCE})))
    with pytest.raises(IsegmError, match="stopped before 95 %"):
        compared(FIRST, SECOND, "NoC@95")
    with pytest.raises(IsegmError, match="did you mean NoC"):
        compared(FIRST, SECOND, "Noc@90")


def test_tables_refuse_metrics_that_nobody_has() -> None:
    with pytest.raises(IsegmError, match="no run has NoC@95: objects were stopped before 95 %"):
        table([FIRST], ["NoC@95"])
    with pytest.raises(IsegmError, match="unknown metric 'noc@90'"):
        table([FIRST], ["noc@90"])
    whole = run("whole", data({"a": (0.5,) * 20, "b": (0.96,) * 20}, "GrabCut"))
    text = table([FIRST, whole], ["NoC@95"])  # one run has it
    assert text.splitlines()[0].count("NoC@95") == 1


def test_tables_with_intervals() -> None:
    text = table([FIRST], ["NoC@90", "fail@90"], intervals=True)
    cells = [cell.strip() for cell in text.splitlines()[2].split("|")]
    assert cells[3].startswith("6.75 [")
    assert cells[4].startswith("25.0 [")
    assert "9,999 bootstrap resamples of whole images" in text
    single = run("single", data({"a": AT_ONCE, "a#2": NEVER}))  # one image: no interval
    row = table([single], ["NoC@90", "fail@90"], intervals=True).splitlines()[2]
    assert [cell.strip() for cell in row.split("|")[3:5]] == ["10.50", "50.0"]
    stopped = table([FIRST], ["mIoU@1", "mIoU@5"])
    assert "mIoU@5: objects that were stopped early keep their last IoU" in stopped


def test_seeds_of_one_experiment() -> None:
    runs = [replace(FIRST, model_name="mine"), replace(SECOND, model_name="mine")]
    lines = seeds_table(runs, ["NoC@90"]).splitlines()
    cells = [cell.strip() for cell in lines[2].split("|")[1:-1]]
    assert cells[:3] == ["mine", "GrabCut NoC@90", "2"]
    assert cells[3].startswith("4.62 [")
    assert cells[4:] == ["3.01", "2.50 - 6.75"]  # 4.25 / sqrt(2)
    drawn = [
        replace(r, protocol={"name": "ritm", "version": 1, "changes": [f"user=jitter(seed={i})"]})
        for i, r in enumerate(runs)
    ]
    assert "user=jitter(seed=*)" in seeds_table(drawn, ["NoC@90"])
    with pytest.raises(IsegmError, match="first under ritm v1 has one run"):
        seeds_table([FIRST, SECOND])
    other = replace(runs[1], datasets=(replace(SECOND.datasets[0], fingerprint="cd" * 32),))
    with pytest.raises(IsegmError, match="the seeds differ in ground truth"):
        seeds_table([runs[0], other], ["NoC@90"])


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    FIRST.save(tmp_path / "a.json")
    SECOND.save(tmp_path / "b.json")
    words = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    assert run_command("compare", [*words, "--paired", "--metrics", "NoC@90"]) == 0
    assert "-4.25 [" in capsys.readouterr().out
    assert run_command("compare", [*words, "--intervals"]) == 0
    assert "6.75 [" in capsys.readouterr().out
    assert run_command("compare", [*words, "--seeds"]) == 2
    assert run_command("compare", [*words, "--paired", "--published", "RITM"]) == 2
