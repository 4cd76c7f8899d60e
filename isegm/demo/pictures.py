"""Pictures that the server offers: those of a folder, or painted scenes where there is no
folder.
"""

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
        """What can be opened, in the order to show."""

    def read(self, name: str) -> bytes:
        """The encoded image of that name.

        Raises:
            IsegmError: there is none.
        """


class FolderPictures:
    """The images directly in a folder. Only names that are listed can be read, so no path leads out
    of it.

    Raises:
        IsegmError: the folder is missing or holds no image.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        list_images(self._folder, "--images")
        self._listed: tuple[int, list[str]] = -1, []

    def names(self) -> list[str]:
        """What is in the folder now; listed anew only once something was added or removed, for
        there is a request a picture.
        """
        try:
            changed, listed = self._folder.stat().st_mtime_ns, self._listed
            if listed[0] != changed:
                found = sorted(
                    path.name
                    for path in self._folder.iterdir()
                    if is_image(path) and self._inside(path)
                )
                self._listed = listed = changed, found[:MOST_LISTED]
            return listed[1]
        except (
            OSError
        ):  # the folder was removed, or its disk: there is nothing to open, all else goes on
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
    """Synthetic scenes, of the kind that the small model of the quick start was trained on."""

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
