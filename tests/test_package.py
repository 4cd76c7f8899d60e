"""What ``import isegm`` gives: an engine and a loader, at no cost before they are used."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

import isegm
from isegm.core.errors import IsegmError
from isegm.inference.engine import Engine


def test_the_import_is_cheap() -> None:
    code = "import sys, isegm; assert isegm.__version__;"
    code += " print([m for m in ('torch', 'numpy', 'cv2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_names() -> None:
    assert isegm.Engine is Engine
    assert {"Engine", "load", "__version__"} <= set(dir(isegm))
    with pytest.raises(AttributeError, match="Engin"):
        _ = isegm.Engin


def test_the_starter_is_the_default() -> None:
    loaded, named = isegm.load(device="cpu"), isegm.Engine("starter", device="cpu")
    assert not loaded.training
    assert named.protocol.name == "starter"
    state = named.model.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in loaded.state_dict().items())


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """An orange ellipse on a green gradient, RGB."""
    rows, columns = np.mgrid[:240, :320]
    image = np.stack([40 + 0 * rows, 90 + rows // 4, 60 + columns // 8], 2).astype(np.uint8)
    image[_ellipse(rows, columns)] = (230, 140, 30)
    return image


def _ellipse(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return ((rows - 120) / 70) ** 2 + ((columns - 160) / 90) ** 2 < 1


@pytest.mark.parametrize("channels", ["BGR", "RGB"])
def test_three_lines_give_a_sensible_mask(photo: np.ndarray, channels: str) -> None:
    engine = isegm.Engine(device="cpu")
    image = np.ascontiguousarray(photo[:, :, ::-1]) if channels == "BGR" else photo
    mask = engine.predict([160], [120], [True], image, channels=channels) > 0
    truth = _ellipse(*np.mgrid[:240, :320])
    assert (mask & truth).sum() / (mask | truth).sum() > 0.8


def test_a_name_that_is_none(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IsegmError, match="did you mean starter"):
        isegm.Engine("startr")
