"""The spread over users, by hand."""

from __future__ import annotations

import pytest

from isegm.core.errors import IsegmError
from isegm.evaluation.results import DatasetResult, ObjectRecord, RunResult
from isegm.evaluation.robustness import Plays, robustness, tables


def curve(count: int) -> tuple[float, ...]:
    """Reaches 90 % with this click; never, for 20."""
    return (0.5,) * (count - 1) + (0.95,) if count < 20 else (0.5,) * 20


def run(counts: dict[str, int], fingerprint: str = "f") -> RunResult:
    clicks = ((1, 1, 1),)
    objects = tuple(
        ObjectRecord(i, clicks * len(curve(n)), curve(n), (0.1,) * len(curve(n)))
        for i, n in counts.items()
    )
    result = DatasetResult("toy", fingerprint, objects, (0.8, 0.85, 0.9), 20)
    return RunResult({"name": "t", "version": 1, "changes": []}, {"sha256": "a"}, (result,))


CENTRE = Plays("centre", (run({"a": 1, "b": 2, "c": 3}),))
SHAKY = Plays("shaky", (run({"a": 1, "b": 2, "c": 20}), run({"c": 10, "b": 4, "a": 3})))


def test_means_seeds_failures_and_spread() -> None:
    (found,) = robustness([CENTRE, SHAKY])
    centre, shaky = found.rows
    assert (centre.noc, centre.seeds, centre.between_seeds, centre.failures) == (2, 1, None, 0)
    assert shaky.noc == pytest.approx((1 + 2 + 20 + 3 + 4 + 10) / 6)
    assert shaky.between_seeds == pytest.approx(abs(23 - 17) / 3 / 2**0.5)
    assert shaky.failures == pytest.approx(1 / 6)
    assert centre.low < 2 < centre.high
    assert shaky.low < shaky.noc < shaky.high
    assert centre.against is None
    assert shaky.against.value == pytest.approx(shaky.noc - centre.noc)
    assert shaky.against.low < shaky.against.value < shaky.against.high
    assert f"+{shaky.against.value:.2f} [" in tables([found])
    # a: 1 and the mean of 1 and 3; b: 2 and 3; c: 3 and 15
    assert found.varying == {
        1: pytest.approx(1 / 3),
        3: pytest.approx(1 / 3),
        5: pytest.approx(1 / 3),
    }
    assert (found.lowest.user, found.highest.user, found.objects) == ("centre", "shaky", 3)
    text = tables([found])
    assert "| toy      | centre | " in text
    assert "2.00 (centre)" in text
    assert "33.3 %" in text


def test_another_iou_that_is_clicked_for() -> None:
    below = Plays("centre", (run({"a": 1, "b": 20}),))  # b stays at 50 %
    (found,) = robustness([below], threshold=85)
    assert (found.threshold, found.rows[0].noc, found.rows[0].failures) == (85, 10.5, 0.5)
    assert "NoC@85" in tables([found])
    assert "never reach 85 %" in tables([found])
    assert "90" not in tables([found])


def test_only_objects_that_all_played_are_compared() -> None:
    (found,) = robustness([CENTRE, Plays("picky", (run({"a": 3, "b": 2}),))])
    assert [row.noc for row in found.rows] == [1.5, 2.5]
    assert (found.objects, found.left_out) == (2, 1)
    assert found.varying[1] == 0.5
    assert "1 objects are left out" in tables([found])


def test_objects_of_one_image_have_no_interval() -> None:
    (found,) = robustness([Plays("centre", (run({"a#1": 1, "a#2": 5}),))])
    assert (found.rows[0].low, found.rows[0].noc) == (None, 3)
    assert " - " in tables([found])


def test_other_data_are_refused() -> None:
    with pytest.raises(IsegmError, match="was not played on the same toy"):
        robustness([CENTRE, Plays("other", (run({"a": 1}, "g"),))])
    with pytest.raises(IsegmError, match="no object was played by every user"):
        robustness([CENTRE, Plays("other", (run({"z": 1}),))])
