"""docs/reference/zoo.md says what assets/zoo.yml and the ledger say."""

from __future__ import annotations

from isegm.utils.config import REPOSITORY
from isegm.zoo.entries import entries

PAGE = (REPOSITORY / "docs/reference/zoo.md").read_text(encoding="utf-8")


def test_everything_in_the_zoo_is_on_the_page() -> None:
    for each in entries():
        assert f"| `{each.name}` |" in PAGE


def test_published_numbers_stand_beside_their_checkpoints() -> None:
    (row,) = (line for line in PAGE.splitlines() if "`ritm_h18s_cocolvis`" in line)
    assert "1.68, 2.60, 6.48, 5.98, -, 3.33 (RITM README)" in row
    assert "git `4ce03fbea3bb`" in row
    assert "address not tried" in row
