"""The ledger of published numbers, and its rows in tables."""

import csv
import re
from pathlib import Path

import pytest

from isegm.core.errors import IsegmError
from isegm.evaluation.ledger import COLUMNS, LEDGER, PublishedRow, published, read_ledger
from isegm.evaluation.report import table
from isegm.evaluation.results import DatasetResult, ObjectRecord, RunResult
from isegm.inference.protocol import load_protocol


def lines() -> list[dict[str, str]]:
    with LEDGER.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_line_is_complete() -> None:
    for line in lines():
        assert set(line) == set(COLUMNS)
        assert all(value == value.strip() for value in line.values())
        assert line["method"]
        assert line["dataset"]
        assert line["source"]
        assert re.fullmatch(r"NoC@\d\d", line["metric"])
        assert 1 <= float(line["value"]) <= 20


def test_a_source_says_a_thing_once_and_reading_loses_nothing() -> None:
    said = [tuple(line[name] for name in COLUMNS if name != "value") for line in lines()]
    assert len(set(said)) == len(said)
    assert sum(len(row.values) for row in read_ledger()) == len(said)


def test_contradicting_sources_stand_side_by_side() -> None:
    found = {
        row.source: row.values["SBD", "NoC@90"]
        for row in published(["RITM"])
        if row.backbone == "HRNet18s" and ("SBD", "NoC@90") in row.values
    }
    assert found == {"ClickAttention README": 6.84, "FocSAM (CVPR 2024) table 1": 6.48}


def test_unknown_methods_and_broken_ledgers(tmp_path: Path) -> None:
    with pytest.raises(IsegmError, match="RITM"):
        published(["RITN"])
    with pytest.raises(IsegmError, match="no ledger"):
        read_ledger(tmp_path / "missing.csv")
    broken = tmp_path / "broken.csv"
    broken.write_text("method,value\nRITM,2\n")
    with pytest.raises(IsegmError, match="columns"):
        read_ledger(broken)
    broken.write_text(",".join(COLUMNS) + "\nRITM,a,b,GrabCut,NoC@90,two,paper,\n")
    with pytest.raises(IsegmError, match="line 2"):
        read_ledger(broken)


@pytest.fixture
def run() -> RunResult:
    record = ObjectRecord("one", ((0, 0, 1),), (0.95,), (0.1,))
    result = DatasetResult("GrabCut", "ab" * 32, (record,), (0.85, 0.9), 20, {})
    return RunResult.of(
        load_protocol("ritm"), {"path": "m.pth", "sha256": "12" * 32}, [result], "mine"
    )


def test_published_rows_are_marked_and_name_their_source(run: RunResult) -> None:
    row = PublishedRow(
        "RITM",
        "HRNet18",
        "SBD",
        "a paper",
        "a note",
        {("GrabCut", "NoC@90"): 2.04, ("SBD", "NoC@90"): 5.43},
    )
    elsewhere = PublishedRow("RITM", "HRNet18", "SBD", "another", "", {("DAVIS", "NoC@90"): 6.7})
    text = table([run], ["NoC@85", "NoC@90"], published=[row, elsewhere])
    cells = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    assert cells[0] == ["model", "protocol", "GrabCut NoC@85", "GrabCut NoC@90"]
    assert cells[2:] == [
        ["mine", "ritm v1", "1.00", "1.00"],
        ["RITM HRNet18, SBD (published)", "a paper", "-", "2.04"],
    ]
    assert "not run here" in text.splitlines()[-2]
    assert text.splitlines()[-1] == "- RITM HRNet18, SBD (published): a note"
    assert (
        table([run], ["NoC@90"], "csv", [row]).splitlines()[-1]
        == '"RITM HRNet18, SBD (published)",a paper,2.04'
    )


def test_without_published_rows_a_table_is_what_it_was(run: RunResult) -> None:
    assert "published" not in table([run])
