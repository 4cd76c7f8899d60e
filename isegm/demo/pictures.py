"""Pictures that the server offers: those of a folder, or by default synthetic scenes."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import cv2

from isegm.core.errors import IsegmError, unknown
from isegm.data.reading import is_image, list_images
from isegm.data.sources.synthetic import SyntheticEvaluation

MOST_LISTED = 2000


class Pictures(Protocol):
    def names(self) -> list[str]:
        """The names of all pictures, in the order shown."""

    def read(self, name: str) -> bytes:
        """The encoded image of that name.

        Raises:
            IsegmError: there is none.
        """


class FolderPictures:
    """The images directly in a folder. Only listed names can be read, so no path leads out of it.

    Raises:
        IsegmError: the folder is missing or holds no image.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        list_images(self._folder, "--images")
        self._listed: tuple[int, list[str]] = -1, []

    def names(self) -> list[str]:
        """The current contents of the folder. Listed again only after a change, because this runs
        once per picture.
        """
        try:
            changed, listed = self._folder.stat().st_mtime_ns, self._listed
            if listed[0] != changed:
                paths = self._folder.iterdir()
                names = sorted(p.name for p in paths if is_image(p) and self._inside(p))
                self._listed = listed = changed, names[:MOST_LISTED]
            return listed[1]
        except OSError:  # the folder is gone; everything else still works
            return []

    def read(self, name: str) -> bytes:
        names = self.names()
        if name not in names or not self._inside(self._folder / name):
            raise unknown("picture", name, names)
        try:
            return (self._folder / name).read_bytes()
        except OSError as error:
            raise IsegmError(f"{name} cannot be read: {error.strerror or error}") from None

    def _inside(self, path: Path) -> bool:
        return path.is_file() and path.resolve().parent == self._folder


class PaintedPictures:
    """Synthetic scenes like those that the small model of the quick start is trained on."""

    def __init__(self, count: int = 12) -> None:
        self._scenes = SyntheticEvaluation(count)

    def names(self) -> list[str]:
        return [f"scene {index + 1}.png" for index in range(len(self._scenes))]

    def read(self, name: str) -> bytes:
        names = self.names()
        if name not in names:
            raise unknown("picture", name, names)
        image = self._scenes[names.index(name)].image
        return cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
