"""YouTube-VOS: videos whose every fifth frame is annotated (training).

Layout: ``<root>/train/JPEGImages/<video>/<frame>.jpg``,
``<root>/train/Annotations/<video>/<frame>.png`` (a palette image, indices 1, 2, ... are the
objects) and ``<root>/train/meta.json``. Source: arXiv 1809.03327; read as in the code of arXiv
2204.02574: one frame of the video, another at each reading.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data.places import require_path
from isegm.data.reading import CorruptSample, check_size, read_image, read_labels
from isegm.data.tables import Texts


class YouTubeVOS:
    """The videos of the training split, sorted by name.

    Args:
        root: the folder that holds ``train``.

    Raises:
        IsegmError: files are missing, or meta.json is not what it should be.
    """

    def __init__(self, root: Path) -> None:
        self._folder = root / "train"
        path = self._folder / "meta.json"
        for needed in (self._folder / "JPEGImages", self._folder / "Annotations", path):
            if not needed.exists():
                raise IsegmError(
                    f"YouTube-VOS: {needed} does not exist; expected JPEGImages/, Annotations/ and"
                    " meta.json there"
                )
        frames = _annotated_frames(path)
        self._videos = Texts(frames)
        self._frames = Texts(" ".join(names) for names in frames.values())

    def __len__(self) -> int:
        return len(self._videos)

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        """Read a frame in which meta.json lists an object, drawn with ``rng``; it may hold none all
        the same.
        """
        video, frames = self._videos[index], self._frames[index].split()
        frame = frames[rng.integers(len(frames))]
        image_path = self._folder / "JPEGImages" / video / f"{frame}.jpg"
        mask_path = self._folder / "Annotations" / video / f"{frame}.png"
        image, (labels, _) = read_image(image_path), read_labels(mask_path)
        if labels.ndim != 2:
            raise CorruptSample(
                f"{mask_path} is a colour image; expected a palette or gray image of object numbers"
            )
        check_size(image, labels, image_path, mask_path)
        numbers = [label for label in np.unique(labels).tolist() if label]
        objects = {key: ObjectInfo(0, label) for key, label in enumerate(numbers)}
        return InstanceSample(image, labels[:, :, None], objects, id=str(image_path))


def youtube_vos_videos(cfg: EasyDict) -> YouTubeVOS:
    """``YouTubeVOS`` at ``cfg.YOUTUBEVOS_PATH``."""
    return YouTubeVOS(require_path(cfg, "YOUTUBEVOS_PATH", "YouTube-VOS"))


def _annotated_frames(path: Path) -> dict[str, list[str]]:
    """The frames of every video in which an object is annotated."""
    try:
        videos = json.loads(path.read_text())["videos"]
        frames = {
            video: sorted(
                {
                    str(frame)
                    for found in videos[video]["objects"].values()
                    for frame in found["frames"]
                }
            )
            for video in sorted(videos)
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IsegmError(
            f"{path} is not the meta.json of YouTube-VOS ({type(error).__name__}: {error})"
        ) from None
    frames = {video: names for video, names in frames.items() if names}
    if not frames:
        raise IsegmError(f"{path} lists no annotated frame")
    return frames
