"""The Python code in the documentation runs, block after block, as a reader would type it."""

import re
import shutil
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import write

import isegm
from isegm.core.registry import build
from isegm.data.evaluation_sets import evaluation_set
from isegm.evaluation.metrics import mask_iou
from isegm.methods.checkpoints import save_model
from isegm.methods.ritm import ritm_hrnet
from isegm.utils.config import REPOSITORY, load_config

PAGES = ["README.md", "docs/start/first_mask.md", "docs/how-to/predict.md"]
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
    shutil.copytree(REPOSITORY / "assets/photos", tmp_path / "assets/photos")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", PAGES)
def test_code_blocks_run(workplace: Path, name: str) -> None:
    page = REPOSITORY / name
    code = code_of(page)
    assert code.strip()
    exec(compile(code, str(page), "exec"), {"__name__": "page"})
    assert (workplace / "mask.png").exists()


def test_the_error_of_the_page_is_the_one_it_shows(
    workplace: Path, capsys: pytest.CaptureFixture
) -> None:
    page = REPOSITORY / "docs/how-to/predict.md"
    exec(compile(code_of(page), str(page), "exec"), {"__name__": "page"})
    assert "outside the image" in capsys.readouterr().out


def test_the_photograph_of_the_first_mask_is_answered_as_the_page_says(workplace: Path) -> None:
    """The first click finds part of the cat, the second most of the rest."""
    page = (REPOSITORY / "docs/start/first_mask.md").read_text()
    clicks = re.findall(r'--clicks "([^"]+)"', page)
    dataset = evaluation_set("photos", load_config())
    cat = dataset[dataset.ids().index("cat#1")]
    ious = []
    for text in clicks:
        rows = [[int(n) for n in click.split(",")] for click in text.split()]
        ys, xs, labels = zip(*rows, strict=True)
        mask = isegm.Engine().predict(xs, ys, labels, cat.image, channels="RGB") > 0
        ious.append(mask_iou(mask, cat.gt))
    assert 0.3 < ious[0] < 0.8 < ious[1]
