"""Measured beside published, with known answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isegm.evaluation import card
from isegm.evaluation.ledger import PublishedRow, read_ledger
from isegm.evaluation.metrics import read
from isegm.evaluation.report import with_interval
from isegm.evaluation.reproduction import (
    CARD,
    Claim,
    Comparison,
    Setting,
    card_claims,
    compared,
    ledger_claims,
    table,
)
from isegm.evaluation.results import DatasetResult, ObjectRecord
from isegm.evaluation.statistics import Interval
from isegm.utils.config import REPOSITORY
from isegm.zoo.entries import Entry, PublishedRows, entry

GRABCUT = Setting("GrabCut", "ritm", "NoBRS")
ROWS = (
    PublishedRow("RITM", "H18", "SBD", "a README", values={("GrabCut", "NoC@90"): 2.0}),
    PublishedRow("RITM", "H18", "SBD", "a table", "quoted", {("GrabCut", "NoC@90"): 2.9}),
    PublishedRow("RITM", "H18", "COCO", "a README", values={("GrabCut", "NoC@90"): 9.0}),
    PublishedRow("BRS", "H18", "SBD", "a README", values={("COCO seen", "NoC@85"): 3.0}),
)


def result(clicks: list[int], name: str = "GrabCut", thresholds=(0.85, 0.9)) -> DatasetResult:
    """Objects that reach 90 % after that many clicks."""
    records = [
        ObjectRecord(str(i), ((0.0, 0.0, 1),) * n, (*(0.5,) * (n - 1), 0.95), (0.1,) * n)
        for i, n in enumerate(clicks)
    ]
    return DatasetResult(name, "ab" * 32, tuple(records), thresholds, 20)


def published(**changes: str) -> PublishedRows:
    about = {"mode": "NoBRS", "method": "RITM", "backbone": "H18", "train_set": "SBD"}
    return PublishedRows(**(about | changes))


def test_every_source_of_the_ledger_is_a_claim() -> None:
    rows = (published(), published(mode="f-BRS-B", method="BRS"))
    claims = ledger_claims(Entry("x", "checkpoint", (), protocol="ritm", published=rows), ROWS)
    assert claims == (
        Claim(GRABCUT, "NoC@90", 2.0, "a README"),
        Claim(GRABCUT, "NoC@90", 2.9, "a table", "quoted"),
        Claim(Setting("COCO_seen", "ritm", "f-BRS-B"), "NoC@85", 3.0, "a README"),
    )


def test_a_source_may_call_the_network_otherwise() -> None:
    rows = (published(backbone="H18 IT-M", source="its own README"),)
    entry = Entry("x", "checkpoint", (), protocol="ritm", published=rows, quoted_as=("H18",))
    assert [claim.value for claim in ledger_claims(entry, ROWS)] == [2.0, 2.9]
    assert ledger_claims(replace(entry, quoted_as=()), ROWS) == ()


def test_the_contradictions_of_the_real_ledger_are_shown() -> None:
    claims = ledger_claims(entry("ritm_h18s_cocolvis"), read_ledger())
    setting = Setting("Berkeley", "ritm", "NoBRS")
    shown = {c.source for c in claims if c.setting == setting and c.metric == "NoC@90"}
    assert {"RITM README", "ClickAttention README"} <= shown


def test_a_card_claims_what_one_protocol_gave() -> None:
    number = {"value": 0.125, "low": 0.0, "high": 0.5}
    row = {"dataset": "GrabCut", "mode": "NoBRS", "metrics": {"fail@90": number}}
    labels = ("ritm v1", "ritm v1 (mirror=False)", "ritm v0", "focalclick v1")
    card = {"numbers": {"rows": [row | {"protocol": label} for label in labels]}}
    assert card_claims(card, "ritm") == (Claim(GRABCUT, "fail@90", 0.125, CARD),)


def test_a_table_of_contradictory_claims() -> None:
    """Mean 2 of 1, 2, 3: resamples reach from 1 to 3."""
    claims = [Claim(GRABCUT, "NoC@90", value, source) for value, source in ((2.25, "a"), (4, "b"))]
    missing = Claim(Setting("SBD", "ritm", "NoBRS"), "NoC@90", 5.0, "a", "an old table")
    comparisons = compared([*claims, missing], {GRABCUT: result([1, 2, 3])})
    lines = table(comparisons, {"ritm": "ritm v1"})
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    judged = ["GrabCut", "ritm v1, NoBRS", "NoC@90"]
    assert cells[2] == [*judged, "2.25", "a", "2.00", "[1.00, 3.00]", "-0.25", "yes"]
    assert cells[3] == [*judged, "4.00", "b", "2.00", "[1.00, 3.00]", "-2.00", "no"]
    assert cells[4][3:] == ["5.00", "a", "-", "-", "-", "-"]
    assert lines[5:] == [
        "",
        "1 of 2 published numbers lie inside the 95 % interval of the measured mean.",
        "Published but not measured: 1.",
        "Note on a: an old table.",
    ]


def test_what_a_protocol_stops_before_is_not_measured() -> None:
    claim = Claim(GRABCUT, "NoC@97", 3.0, "a")
    (found,) = compared([claim], {GRABCUT: result([1, 2])})
    assert found.measured is None
    (found,) = compared([claim], {GRABCUT: result([1, 2], thresholds=(0.9, 0.97))})
    assert found.measured.value == 20


@pytest.mark.parametrize(
    ("metric", "value", "inside"),
    [("NoC@90", 2.004, True), ("NoC@90", 2.006, False), ("fail@90", 0.0014, False)],
)
def test_inside_means_as_far_as_printed_digits_tell(
    metric: str, value: float, inside: bool
) -> None:
    found = Interval(2.0, 2.0, 2.0) if metric == "NoC@90" else Interval(0.0, 0.0, 0.0)
    assert Comparison(Claim(GRABCUT, metric, value, "a"), found).inside is inside


def test_shares_are_shown_as_percent() -> None:
    claim = Claim(GRABCUT, "mIoU@1", 0.95, CARD)
    lines = table(compared([claim], {GRABCUT: result([1, 1])}), {"ritm": "ritm v1"})
    assert [cell.strip() for cell in lines[2].split("|")][4:-1] == [
        "95.0",
        CARD,
        "95.0",
        "[95.0, 95.0]",
        "0.0",
        "yes",
    ]


def test_the_page_shows_the_numbers_of_the_starter() -> None:
    """docs/how-to/reproduce.md holds what a run printed; if the starter changes, run it again."""
    stored = card.read_card(REPOSITORY / "assets/starter.safetensors")
    (page,) = (REPOSITORY / "docs").rglob("reproduce.md")
    lines = [line for line in page.read_text().splitlines() if "| starter v2, NoBRS |" in line]
    shown = {tuple(cell.strip() for cell in line.split("|"))[1:8] for line in lines}
    assert shown == {
        (row["dataset"], "starter v2, NoBRS", metric, value, CARD, value, ends)
        for row in stored["numbers"]["rows"]
        if row["protocol"] == "starter v2"
        for metric, found in row["metrics"].items()
        for value, ends in [with_interval(read(metric), Interval(**found)).split(" ", 1)]
    }
