"""The table of published experiments names every script, once, and none that does not exist."""

import re
from collections import Counter

from isegm.utils.config import REPOSITORY


def test_every_script_is_named_once() -> None:
    named = Counter(
        re.findall(
            r"models/\w+/\w+\.py", (REPOSITORY / "docs/reference/experiments.md").read_text()
        )
    )
    found = [
        path
        for path in (REPOSITORY / "models").rglob("*.py")
        if path.name not in ("common.py", "shared.py")
    ]
    scripts = {str(path.relative_to(REPOSITORY)) for path in found}
    assert set(named) == scripts
    assert not [script for script, count in named.items() if count > 1]


def test_a_script_says_which_published_file_it_belongs_to() -> None:
    """Rows that name a published file by its name: the docstring of the script names it too."""
    rows = re.findall(
        r"`(models/\w+/\w+\.py)` \| `([\w-]+)\.pth`",
        (REPOSITORY / "docs/reference/experiments.md").read_text(),
    )
    assert len(rows) > 20
    assert not [
        (script, name) for script, name in rows if name not in (REPOSITORY / script).read_text()
    ]
