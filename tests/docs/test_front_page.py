"""README and pages have short lines, and lists that MkDocs reads as GitHub does."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from isegm.utils.config import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(REPOSITORY)) for page in PAGES]
GENERATED = "<!-- Written by scripts/write_reference.py"
FENCED = re.compile(r"^( *)(`{3,})[^\n]*\n.*?^\1\2$", re.MULTILINE | re.DOTALL)
ITEM = re.compile(r"^( *)(?:[*-]|\d+\.) ")
# What commands fill.
FILLED = re.compile(r"^<!-- numbers: .*?^<!-- end of numbers -->$", re.MULTILINE | re.DOTALL)
LIMIT = 100


def prose(page: Path) -> list[str]:
    """The lines of a page outside code and what commands fill, which are left empty."""
    text = page.read_text()
    for block in (FENCED, FILLED):
        text = block.sub(lambda match: "\n" * match[0].count("\n"), text)
    return text.splitlines()


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_no_line_of_prose_is_too_long(page: Path) -> None:
    if page.read_text().startswith(GENERATED):
        return
    long = [
        f"{page.name}:{number}: {line[:60]}"
        for number, line in enumerate(prose(page), 1)
        if len(line) > LIMIT and not line.startswith(("|", "![", "    "))
    ]
    assert not long


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_lists_and_blocks_are_read_alike_everywhere(page: Path) -> None:
    """Python-Markdown, which MkDocs uses, needs an empty line before a list or a table, and four
    spaces in front of what belongs to an item."""
    lines = ["", *prose(page)]
    raw = page.read_text().splitlines()
    for number, (before, line) in enumerate(pairwise(lines), 1):
        where = f"{page.name}:{number}: {line[:60]}"
        first = ITEM.match(line) or line.startswith("|")
        if first and before.strip() and not before.startswith((" ", "<!--")):
            assert ITEM.match(before) or before.startswith("|"), f"{where}: no empty line before"
        indent = len(line) - len(line.lstrip())
        if line.strip() and indent and not before.strip():
            assert indent >= 4, f"{where}: after an empty line, indent by four"
    for number, line in enumerate(raw, 1):
        if match := re.match(r"( +)```", line):
            assert len(match[1]) >= 4, f"{page.name}:{number}: a fenced block in a list needs four"


def test_the_front_page_is_one_sentence_and_a_picture() -> None:
    text = (REPOSITORY / "README.md").read_text()
    title, sentence, picture, *_ = text.split("\n\n")
    assert title == "# isegm"
    assert sentence.count(". ") == 0
    assert picture.startswith("![")
    assert len(text.splitlines()) < 140
