"""The engine on onnxruntime: as with torch, and without it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from layouts import config

import isegm
from isegm.core.click import Click
from isegm.core.errors import IsegmError
from isegm.core.samples import Sample
from isegm.data.evaluation_sets import evaluation_set
from isegm.evaluation.metrics import mask_iou
from isegm.evaluation.users.centre import next_click
from isegm.utils.config import REPOSITORY

DATA = Path(os.environ.get("ISEGM_DATA", ""))

FENCED = re.MULTILINE | re.DOTALL
CLICKS = ((150, 225, True), (240, 140, True), (10, 10, False), (90, 180, True), (270, 400, False))


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    import cv2

    return cv2.imread(str(REPOSITORY / "assets/photos/cat.jpg"))


def test_it_answers_as_torch_does(starter: Path, photo: np.ndarray) -> None:
    ours, theirs = isegm.Engine(device="cpu"), isegm.Engine(starter)
    before, after = ours.start(photo), theirs.start(photo)
    for click in CLICKS:
        before, after = ours.click(before, *click), theirs.click(after, *click)
        np.testing.assert_allclose(after.prob, before.prob, rtol=0, atol=1e-4)
    assert (after.undo().prob == theirs.click(after.undo().undo(), *CLICKS[3]).prob).all()
    ys, xs, labels = zip(*CLICKS, strict=True)
    mask = theirs.predict(xs, ys, labels, photo)
    assert (mask == 255 * (after.prob > 0.5)).all()


def test_a_mask_to_start_from_and_integrity(starter: Path, photo: np.ndarray) -> None:
    start = np.zeros(photo.shape[:2], np.float32)
    start[100:200, 150:300] = 1
    ours, theirs = (isegm.Engine(each, sis=4) for each in ("starter", starter))
    before, after = (engine.start(photo, prob=start) for engine in (ours, theirs))
    for click in CLICKS[:3]:
        before, after = ours.click(before, *click), theirs.click(after, *click)
        np.testing.assert_allclose(after.prob, before.prob, rtol=0, atol=1e-4)


WITHOUT_TORCH = """
    import sys

    class Missing:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in ("torch", "torchvision", "timm", "scipy"):
                raise ModuleNotFoundError(name)

    sys.meta_path.insert(0, Missing())
    import numpy as np
    import isegm

    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    engine = isegm.Engine(sys.argv[1])
    first = engine.click(engine.start(image), 60, 80, True)
    second = engine.click(first, 10, 10, False)
    assert second.undo() is first and second.mask.shape == (120, 160)
    np.save(sys.argv[2], second.prob)
"""


def test_it_needs_no_torch(starter: Path, tmp_path: Path) -> None:
    code, out = textwrap.dedent(WITHOUT_TORCH), tmp_path / "prob.npy"
    command = [sys.executable, "-c", code, str(starter), str(out)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    engine = isegm.Engine(device="cpu")
    session = engine.click(engine.start(image), 60, 80, True)
    session = engine.click(session, 10, 10, False)
    np.testing.assert_allclose(np.load(out), session.prob, rtol=0, atol=1e-4)


def test_the_file_tells_what_it_is(starter: Path) -> None:
    session = onnxruntime.InferenceSession(str(starter))
    inputs = {each.name: (each.type, each.shape) for each in session.get_inputs()}
    assert inputs == {
        "image": ("tensor(float)", [1, 3, "height", "width"]),
        "point_coords": ("tensor(double)", [1, "clicks", 2]),
        "point_labels": ("tensor(int64)", [1, "clicks"]),
        "prev_mask": ("tensor(float)", [1, 1, "height", "width"]),
        "has_prev_mask": ("tensor(float)", [1]),
    }
    notes = session.get_modelmeta().custom_metadata_map
    assert notes["isegm"] == "1"
    assert (notes["part"], notes["method"], notes["protocol"]) == (
        "model",
        "ClickPyramid",
        "starter v2",
    )
    assert notes["sha256"].startswith("986cfb787b1b")


def test_an_absent_previous_mask_is_ignored(starter: Path) -> None:
    session = onnxruntime.InferenceSession(str(starter))
    rng = np.random.default_rng(0)
    given = {
        "image": rng.random((1, 3, 96, 96), np.float32),
        "point_coords": np.array([[[40.0, 50.0]]]),
        "point_labels": np.array([[1]]),
        "has_prev_mask": np.zeros(1, np.float32),
    }
    masks = np.zeros((1, 1, 96, 96), np.float32), rng.random((1, 1, 96, 96), np.float32)
    empty, ignored = (session.run(None, {**given, "prev_mask": mask})[0] for mask in masks)
    assert (empty == ignored).all()
    shown = {**given, "prev_mask": masks[1], "has_prev_mask": np.ones(1, np.float32)}
    assert np.abs(session.run(None, shown)[0] - empty).max() > 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "f-BRS-B"}, "one pass"),
        ({"device": "cuda"}, "runs on the CPU"),
        ({"protocol": "ritm"}, "with the mirror image"),
    ],
)
def test_what_is_decided_at_export(starter: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises(IsegmError, match=message):
        isegm.Engine(starter, **options)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(IsegmError, match="isegm export CHECKPOINT"):
        isegm.Engine(tmp_path / "missing.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    with pytest.raises(IsegmError, match="cannot be read as an ONNX file"):
        isegm.Engine(tmp_path / "broken.onnx")


@pytest.mark.data
@pytest.mark.skipif(not (DATA / "GrabCut").is_dir(), reason="ISEGM_DATA names no GrabCut")
def test_every_click_on_grabcut_is_the_same(starter: Path) -> None:
    engines = isegm.Engine(device="cpu"), isegm.Engine(starter)
    for sample in evaluation_set("GrabCut", config(GRABCUT_PATH=DATA / "GrabCut")):
        before, after = (played(engine, sample) for engine in engines)
        assert before == after, sample.id


def played(engine: isegm.Engine, sample: Sample) -> tuple[Click, ...]:
    """The clicks of the published user until the IoU is 90 %: as many as NoC@90 counts."""
    session = engine.start(sample.image, "RGB")
    mask = np.zeros(sample.gt.shape, bool)
    for _ in range(20):
        click = next_click(mask, sample.gt, session.clicks)
        session = engine.click(session, click.y, click.x, click.positive)
        mask = session.prob > engine.protocol.mask_threshold
        if mask_iou(mask, sample.gt) >= 0.9:
            break
    return session.clicks


def test_the_code_of_the_page_runs(
    starter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (REPOSITORY / "docs/how-to/export.md").read_text()
    shutil.copyfile(starter, tmp_path / "starter.onnx")
    shutil.copyfile(REPOSITORY / "assets/photos/cat.jpg", tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    for code in re.findall(r"^```python\n(.*?)^```$", page, FENCED):
        exec(compile(code, "export.md", "exec"), {})
    assert (tmp_path / "mask.png").exists()
