"""What scripts write into the documentation is what they would write now."""

from __future__ import annotations

import runpy
import subprocess
import sys

import pytest
from PIL import Image

from isegm.evaluation.ledger import read_ledger
from isegm.evaluation.pages import BLOCK
from isegm.utils.config import REPOSITORY


@pytest.mark.parametrize("script", ["write_reference.py", "draw_diagrams.py"])
def test_generated_files_are_current(script: str) -> None:
    words = [sys.executable, str(REPOSITORY / "scripts" / script), "--check"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def table() -> dict:
    return runpy.run_path(str(REPOSITORY / "scripts/model_table.py"), run_name="model_table")


def test_the_table_of_models_is_current(table: dict) -> None:
    (block,) = BLOCK.findall((REPOSITORY / "README.md").read_text())
    assert block.strip() == table["table"](), "run python scripts/model_table.py --page README.md"


def test_published_and_measured_numbers_are_apart(table: dict) -> None:
    published, measured = table["table"]().split("**measured here**")
    sources = {row.source for row in read_ledger()}
    rows = [line for line in published.splitlines() if line.startswith("| [")]
    assert len(rows) == len(table["SHOWN"])
    assert all(row.split(" | ")[-1].removesuffix(" |") in sources for row in rows)
    assert "starter v2" in measured
    assert not any(source in measured for source in sources)


def test_every_method_is_in_the_table(table: dict) -> None:
    pages = {path.stem for path in (REPOSITORY / "docs/explanation/methods").glob("*.md")}
    assert {page for page, *_ in table["SHOWN"]} == pages - {"click_pyramid"}  # the starter's


def test_the_animation_is_short_and_small() -> None:
    path = REPOSITORY / "assets/clicks.gif"
    assert path.stat().st_size < 2_000_000
    with Image.open(path) as picture:
        assert picture.n_frames == 11
        assert picture.info["loop"] == 0
