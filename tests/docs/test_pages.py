"""The Python code in the documentation runs, block after block, as a reader would type it."""

import re
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import write

from isegm.core.registry import build
from isegm.methods.checkpoints import save_model
from isegm.methods.ritm import ritm_hrnet
from isegm.utils.config import REPOSITORY

PAGES = ["predict.md"]
BLOCK = re.compile(r"^( *)```python\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def code_of(page: Path) -> str:
    """All blocks as one program; its line numbers are those of the page."""
    text = page.read_text()
    program = [""] * text.count("\n")
    for match in BLOCK.finditer(text):
        first = text[: match.start()].count("\n") + 1
        lines = textwrap.dedent(match[2]).splitlines()
        program[first : first + len(lines)] = lines
    return "\n".join(program)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a small untrained model and a photograph, made the working folder."""
    torch.manual_seed(0)
    described = ritm_hrnet(width=8, depth="tiny", ocr_width=16)
    save_model(tmp_path / "model.safetensors", build(described), described)
    write(
        tmp_path / "photo.jpg",
        np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8),
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", PAGES)
def test_code_blocks_run(workplace: Path, name: str, capsys: pytest.CaptureFixture) -> None:
    page = REPOSITORY / "docs/how-to" / name
    code = code_of(page)
    assert code.strip()
    exec(compile(code, str(page), "exec"), {"__name__": "page"})
    assert "outside the image" in capsys.readouterr().out
    assert (workplace / "mask.png").exists()
