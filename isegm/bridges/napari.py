"""Label in napari: clicks on an image become objects of a labels layer.

    isegm bridge napari --checkpoint model.safetensors --image photo.jpg

Opens napari with the panel isegm, which is also in its menu Plugins; there the starter answers.
The mouse and the keys: docs/how-to/bridges/napari.md. Needs: pip install 'isegm[napari]'.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isegm.bridges.base import Bridge
from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.data.reading import MAX_PIXELS, read_image
from isegm.inference.chosen import Chosen, choose
from isegm.inference.click_lists import ClickLists
from isegm.methods.checkpoints import STARTER
from isegm.utils.config import load_config
from isegm.utils.device import pick_device
from isegm.utils.extras import needed

if TYPE_CHECKING:
    from magicgui.widgets import Container

OBJECTS = "isegm objects"
LEFT, RIGHT = 1, 2  # buttons, as napari counts them
WHAT = "the panel"


class Napari(Bridge):
    """Opens the program."""

    def add_flags(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--image", type=Path, help="a picture to open")

    def start(self, args: argparse.Namespace, choose: Callable[[], Chosen]) -> None:
        napari = needed("napari", "napari", "this bridge")
        pixels = read_image(args.image) if args.image else None
        lists = ClickLists(choose().answering)
        viewer = napari.Viewer()
        if pixels is not None:
            viewer.add_image(pixels, name=args.image.stem)
        viewer.window.add_dock_widget(panel(viewer, lists), name="isegm")
        napari.run()


BRIDGE = Napari


class Labeler:
    """Clicks on one image layer, and the labels layer that they fill.

    Of an image with more axes, e.g. a stack, the shown slice is labeled; an object belongs to the
    slice that it was begun on. Finished objects are never changed.

    Attributes:
        clicks: of the current object.
        number: of the current object in the labels layer.
    """

    def __init__(self, viewer: Any, lists: ClickLists) -> None:
        self._viewer, self._lists = viewer, lists
        self._image: Any = None
        self._labels: Any = None
        self._place: tuple[int, ...] = ()
        self.clicks: list[Click] = []
        self.number = 1

    def begin(self) -> str:
        """Add a labels layer for the selected image layer, or the topmost one.

        Raises:
            IsegmError: there is no image, or it is too large.
        """
        layers = needed("napari.layers", "napari", WHAT)
        images = [layer for layer in self._viewer.layers if type(layer) is layers.Image]
        active = self._viewer.layers.selection.active
        if not images:
            raise IsegmError("there is no image layer; open an image first")
        image = active if active in images else images[-1]
        data = image.data[0] if image.multiscale else image.data
        shape = data.shape[:-1] if image.rgb else data.shape
        if len(shape) < 2 or shape[-1] * shape[-2] > MAX_PIXELS:
            raise IsegmError(
                f"an image of {shape} cannot be labeled; at most {MAX_PIXELS:,} pixels"
            )
        self._image, self._place, self.clicks, self.number = image, (), [], 1
        self._labels = self._viewer.add_labels(
            np.zeros(shape, np.uint16), name=OBJECTS, scale=image.scale, translate=image.translate
        )
        self._labels.mouse_drag_callbacks.append(self._pressed)
        self._viewer.layers.selection.active = self._labels
        return f"labeling {image.name}"

    def click(self, y: float, x: float, positive: bool, place: tuple[int, ...] = ()) -> str:
        """Answer a click, in pixels of the image; ``place`` is the slice.

        Raises:
            IsegmError: outside the image, in another slice, or ``begin`` was not called.
        """
        labels = self._begun()
        size, row, column = labels.data.shape[-2:], round(y), round(x)
        if not (0 <= row < size[0] and 0 <= column < size[1]):
            raise IsegmError("the click lies outside the image")
        if self.clicks and place != self._place:
            raise IsegmError("the object was begun in another slice; finish it first (N)")
        self._place = place
        made = [*self.clicks, Click(float(row), float(column), positive)]
        self._show(made)
        return f"object {self.number}: {len(made)} clicks"

    def undo(self) -> str:
        """Take back the newest click.

        Raises:
            IsegmError: there is none.
        """
        if not self.clicks:
            raise IsegmError("there is no click to undo")
        self._show(self.clicks[:-1])
        return f"object {self.number}: {len(self.clicks)} clicks"

    def clear(self) -> str:
        """Take back all clicks of the current object."""
        self._begun()
        self._show([])
        return f"object {self.number}: no clicks"

    def finish(self) -> str:
        """Keep the object and start the next.

        Raises:
            IsegmError: it is empty.
        """
        labels = self._begun()
        if not (labels.data[self._place] == self.number).any():
            raise IsegmError("there is no object to finish yet; click on one first")
        self.number, self.clicks = self.number + 1, []
        return f"object {self.number}: no clicks"

    def _show(self, clicks: list[Click]) -> None:
        labels = self._begun()
        mask = self._lists.answer(self._pixels(), clicks)
        shown = np.asarray(labels.data[self._place])
        shown[shown == self.number] = 0
        shown[mask & (shown == 0)] = self.number
        self.clicks = clicks
        labels.refresh()

    def _begun(self) -> Any:
        if self._labels is None or self._labels not in self._viewer.layers:
            raise IsegmError("press Start first")
        return self._labels

    def _pixels(self) -> np.ndarray:
        """The slice, ``H W 3`` uint8 RGB: as the layer's contrast limits show it, unless its values
        are bytes already.
        """
        image = self._image
        data = image.data[0] if image.multiscale else image.data
        pixels = np.asarray(data[self._place])
        if pixels.dtype != np.uint8:
            low, high = image.contrast_limits
            share = (pixels.astype(np.float64) - low) / max(high - low, np.finfo(float).tiny)
            pixels = np.rint(255 * np.clip(np.nan_to_num(share), 0, 1)).astype(np.uint8)
        return np.ascontiguousarray(pixels[..., :3] if image.rgb else np.stack([pixels] * 3, -1))

    def _pressed(self, layer: Any, event: Any) -> Iterator[None]:
        """A press of the mouse: a click unless it becomes a drag, which moves the picture."""
        dragged = False
        yield
        while event.type == "mouse_move":
            dragged = True
            yield
        if dragged or event.button not in (LEFT, RIGHT) or self._viewer.dims.ndisplay != 2:
            return
        *place, y, x = layer.world_to_data(event.position)
        positive = event.button == LEFT and "Shift" not in event.modifiers
        self.guarded(lambda: self.click(y, x, positive, tuple(round(i) for i in place)))

    def guarded(self, action: Callable[[], str]) -> None:
        """Do something, and show what it says, or why it cannot be done."""
        try:
            self._viewer.status = action()
        except IsegmError as error:
            needed("napari.utils.notifications", "napari", WHAT).show_warning(str(error))


def panel(napari_viewer: Any, lists: ClickLists | None = None) -> Container:
    """The panel for napari's window. napari's menu calls it without ``lists``; the starter then
    answers.
    """
    widgets = needed("magicgui.widgets", "napari", WHAT)
    if lists is None:
        lists = ClickLists(choose(load_config(), STARTER, pick_device()).answering)
    labeler = Labeler(napari_viewer, lists)
    actions = {
        "Start": labeler.begin,
        "Undo (U)": labeler.undo,
        "Clear": labeler.clear,
        "Finish object (N)": labeler.finish,
    }
    buttons = []
    for text, action in actions.items():
        button = widgets.PushButton(text=text)
        button.changed.connect(lambda _=None, action=action: labeler.guarded(action))
        buttons.append(button)
    hint = widgets.Label(value="left click: object\nright, or Shift and left: off it")
    napari_viewer.bind_key("u", lambda _: labeler.guarded(labeler.undo), overwrite=True)
    napari_viewer.bind_key("n", lambda _: labeler.guarded(labeler.finish), overwrite=True)
    made = widgets.Container(widgets=[*buttons, hint], labels=False)
    made.labeler = labeler  # lives as long as the panel
    return made
