"""Pages of documentation with a block of numbers that a command writes and nobody types."""

from __future__ import annotations

import re
from pathlib import Path

from isegm.core.errors import IsegmError
from isegm.utils.files import replacing

BEGIN = "<!-- numbers: written by a command, do not edit -->"
END = "<!-- end of numbers -->"
BLOCK = re.compile(re.escape(BEGIN) + r"\n(.*?)" + re.escape(END), re.DOTALL)


def checked(page: Path) -> str:
    """The text of a page that has exactly one block of numbers.

    Raises:
        IsegmError: the page is missing, or has none or several.
    """
    if not page.is_file():
        raise IsegmError(
            f"there is no page {page}; write it first, with the lines {BEGIN} and {END}"
        )
    text = page.read_text()
    if (count := len(BLOCK.findall(text))) != 1:
        raise IsegmError(
            f"{page} has {count} places for numbers, expected one: the lines {BEGIN} and {END}"
        )
    return text


def fill(page: Path, numbers: str) -> None:
    """Put Markdown between the two comments of a page.

    Raises:
        IsegmError: as ``checked``.
    """
    text = BLOCK.sub(lambda _: f"{BEGIN}\n{numbers.strip()}\n{END}", checked(page))
    with replacing(page) as partial:
        partial.write_text(text)


def sections(text: str) -> dict[str, str]:
    """The prose of a page, ``{heading: Markdown}``, without its block of numbers."""
    parts = re.split(r"^## (.+)$", BLOCK.sub("", text), flags=re.MULTILINE)
    return {heading: body.strip() for heading, body in zip(parts[1::2], parts[2::2], strict=True)}
