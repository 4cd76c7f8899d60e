"""The page of metrics lists what the table in the code has, in its words."""

from __future__ import annotations

import re

from isegm.evaluation.metrics import METRICS, examples
from isegm.utils.config import REPOSITORY


def test_the_page_lists_every_metric() -> None:
    text = (REPOSITORY / "docs/reference/metrics.md").read_text()
    rows = re.findall(r"^\| `([^`]+)` \| (\S+) \| (.+) \|$", text, re.MULTILINE)
    table = zip(examples(), METRICS.values(), strict=True)
    assert rows == [(name, metric.unit, metric.about) for name, metric in table]
