"""The panel in napari, without a window."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from labelers import MORE, OFF, ON, SIZE, after, answering, photo

from isegm.core.errors import IsegmError
from isegm.inference.click_lists import ClickLists
from isegm.utils.config import REPOSITORY

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
pytest.importorskip("napari")

from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication

from isegm.bridges import napari as bridge
from isegm.bridges.napari import OBJECTS, Labeler, panel


@pytest.fixture(scope="module")
def qt() -> QApplication:
    return QApplication.instance() or QApplication([])


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def started(viewer: ViewerModel, image: np.ndarray | None = None, **options) -> Labeler:
    viewer.add_image(photo() if image is None else image, **options)
    labeler = Labeler(viewer, ClickLists(answering()))
    labeler.begin()
    return labeler


def press(viewer: ViewerModel, at: tuple[int, int], button: int = 1, **event) -> None:
    """A press and release of the mouse on the labels layer, as napari reports it."""
    labels = viewer.layers[OBJECTS]
    position = (*event.pop("place", ()), at[1] + 0.3, at[0] - 0.3)
    pressed = SimpleNamespace(
        type="mouse_press", button=button, modifiers=(), position=labels.data_to_world(position)
    )
    vars(pressed).update(modifiers=event.pop("modifiers", ()))
    steps = labels.mouse_drag_callbacks[0](labels, pressed)
    next(steps)
    for kind in [*event.pop("then", ()), "mouse_release"]:
        pressed.type = kind
        next(steps, None)


def test_click_correct_undo_finish_and_save(viewer: ViewerModel, tmp_path: Path) -> None:
    labeler = started(viewer)
    labels = viewer.layers[OBJECTS]
    press(viewer, ON)
    assert (labels.data == after((ON, True))).all()
    press(viewer, MORE)
    press(viewer, OFF, button=2)
    corrected = after((ON, True), (MORE, True), (OFF, False))
    assert (labels.data == corrected).all()
    labeler.undo()
    assert (labels.data == after((ON, True), (MORE, True))).all()
    press(viewer, OFF, modifiers=("Shift",))
    assert (labels.data == corrected).all()
    labeler.finish()
    press(viewer, OFF)  # the next object takes nothing of the finished one
    assert (labels.data == np.where(corrected, 1, 2 * after((OFF, True)))).all()
    labeler.clear()
    assert (labels.data == corrected).all()
    pytest.importorskip("npe2").PluginManager.instance().discover()  # napari's own writers
    (saved,) = labels.save(str(tmp_path / "objects.tif"))
    assert (pytest.importorskip("tifffile").imread(saved) == corrected).all()


def test_drags_and_other_buttons_are_no_clicks(viewer: ViewerModel) -> None:
    labeler = started(viewer)
    press(viewer, ON, then=("mouse_move", "mouse_move"))
    press(viewer, ON, button=3)
    viewer.dims.ndisplay = 3
    press(viewer, ON)
    assert not labeler.clicks


def test_layers_may_be_scaled_and_moved(viewer: ViewerModel) -> None:
    started(viewer, scale=(2, 0.5), translate=(7, -3))
    press(viewer, ON)
    assert (viewer.layers[OBJECTS].data == after((ON, True))).all()


@pytest.mark.parametrize("kind", ["gray", "float", "uint16", "rgba", "flat", "pyramid"])
def test_images_of_many_kinds_are_seen_as_bytes(viewer: ViewerModel, kind: str) -> None:
    gray = photo()[..., 0]
    image = {
        "gray": gray,
        "float": gray / 255.0 + np.where(gray == 7, np.nan, 0),
        "uint16": gray.astype(np.uint16) * 257,
        "rgba": np.concatenate([photo(), photo()[..., :1]], -1),
        "flat": np.full(SIZE, 3.5),
        "pyramid": [gray, gray[::2, ::2]],
    }[kind]
    limits = {"float": (0, 1), "uint16": (0, 65535)}.get(kind)
    labeler = started(viewer, image, multiscale=kind == "pyramid", contrast_limits=limits)
    pixels = labeler._pixels()
    assert (pixels.shape, pixels.dtype) == ((*SIZE, 3), np.uint8)
    if kind == "rgba":
        assert (pixels == photo()).all()
    elif kind not in ("flat", "float"):
        assert (pixels == gray[..., None]).all()
    press(viewer, ON)
    assert (viewer.layers[OBJECTS].data == after((ON, True))).all()


def test_a_slice_of_a_stack_is_labeled(viewer: ViewerModel) -> None:
    labeler = started(viewer, np.stack([photo()[..., 0]] * 3), rgb=False)
    press(viewer, ON, place=(2,))
    labels = viewer.layers[OBJECTS].data
    assert (labels[2] == after((ON, True))).all()
    assert not labels[:2].any()
    with pytest.raises(IsegmError, match="another slice"):
        labeler.click(1, 1, True, (0,))
    labeler.finish()
    labeler.click(ON[1], ON[0], True, (0,))
    assert (labels[0] == 2 * after((ON, True))).all()


def test_what_cannot_be_done_is_said(viewer: ViewerModel, monkeypatch: pytest.MonkeyPatch) -> None:
    labeler = Labeler(viewer, ClickLists(answering()))
    for action, said in ((labeler.begin, "open an image"), (labeler.finish, "press Start")):
        with pytest.raises(IsegmError, match=said):
            action()
    labeler = started(viewer)
    for action, said in ((labeler.undo, "no click to undo"), (labeler.finish, "no object")):
        with pytest.raises(IsegmError, match=said):
            action()
    with pytest.raises(IsegmError, match="outside"):
        labeler.click(-1, 5, True)
    warned: list[str] = []
    monkeypatch.setattr("napari.utils.notifications.show_warning", warned.append)
    press(viewer, (500, 500))
    assert warned == ["the click lies outside the image"]
    viewer.layers.remove(OBJECTS)
    with pytest.raises(IsegmError, match="press Start"):
        labeler.click(5, 5, True)


def test_the_buttons_do_it(viewer: ViewerModel, qt: QApplication) -> None:
    viewer.add_image(photo())
    made = panel(viewer, ClickLists(answering()))
    buttons = {widget.text: widget for widget in made if type(widget).__name__ == "PushButton"}
    buttons["Start"].changed.emit(True)
    press(viewer, ON)
    press(viewer, MORE)
    buttons["Undo (U)"].changed.emit(True)
    assert (viewer.layers[OBJECTS].data == after((ON, True))).all()
    buttons["Finish object (N)"].changed.emit(True)
    assert made.labeler.number == 2


def test_napari_accepts_the_manifest() -> None:
    npe2 = pytest.importorskip("npe2")
    file = Path(bridge.__file__).with_name("napari.yaml")
    manifest = npe2.PluginManifest.from_file(file)
    manifest.validate_imports()
    (widget,) = manifest.contributions.widgets
    (command,) = manifest.contributions.commands
    assert widget.command == command.id == "isegm.panel"
    project = (REPOSITORY / "pyproject.toml").read_text()
    assert 'isegm = "isegm.bridges:napari.yaml"' in project
    assert '"isegm.bridges" = ["napari.yaml"]' in project
