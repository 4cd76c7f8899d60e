"""COCO panoptic and LVIS v1 to COCO+LVIS, in the layout published with arXiv 2102.06583.

For every image that both annotate it writes ``masks/<name>.pickle``, and at the end
``hannotation.pickle`` and ``conversion.json``, the checksums of all inputs and outputs. An
interrupted conversion continues where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import pickle
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from isegm.core.errors import IsegmError
from isegm.data.conversion.merging import SMALLEST_STUFF, hierarchy, merged, regions
from isegm.data.sources.coco_panoptic import STUFF, CocoPanoptic
from isegm.data.sources.lvis import Lvis
from isegm.data.tables import paint_layers
from isegm.utils.files import replacing, sha256_of

log = logging.getLogger("isegm")

JOURNAL = "conversion.part.jsonl"
SUMMARY = "conversion.json"


@dataclass(frozen=True)
class Paths:
    """The folders of a conversion.

    Attributes:
        coco: the photographs and the panoptic annotations.
        lvis: its JSON files.
        output: the converted data set.
        cache: of annotation tables, see ``kept_tables``.
    """

    coco: Path
    lvis: Path
    output: Path
    cache: Path | None = None


class Done(NamedTuple):
    """A converted image: how many of its masks are objects (0: the image is left out), their tree,
    and the sha256 of its file.
    """

    name: str
    objects: int
    hierarchy: dict[int, Any]
    sha256: str


def convert(paths: Paths, split: str, workers: int = 0) -> Iterator[tuple[int, int]]:
    """Convert a split, ``"train"`` or ``"val"``, and yield (images done, images in all) as it
    proceeds.

    Args:
        workers: number of worker processes; 0 converts in this process.

    Raises:
        IsegmError: files are missing or damaged, the output belongs to a conversion of other files,
            or workers are negative.
    """
    if workers < 0:
        raise IsegmError(f"{workers} workers: expected 0 (this process) or more")
    folder = paths.output / split
    (folder / "masks").mkdir(parents=True, exist_ok=True)
    _link_images(folder / "images", paths.coco / f"{split}2017")
    pairs = Pairs(paths, split)
    log.info("COCO+LVIS %s: %d images are in both; checksums of the annotations", split, len(pairs))
    inputs = {
        path.name: sha256_of(path)
        for path in (pairs.lvis.path, paths.coco / "annotations" / panoptic_name(split))
    }
    if _is_finished(folder, inputs):
        yield len(pairs), len(pairs)
        return
    journal = folder / JOURNAL
    done = {
        image.name: image for image in _read_journal(journal, inputs) if _is_written(folder, image)
    }
    with replacing(journal) as partial:  # drops a line that a crash left half written
        partial.write_text(
            json.dumps({"inputs": inputs}) + "\n" + "".join(map(_line, done.values()))
        )
    yield len(done), len(pairs)
    left = [index for index in range(len(pairs)) if pairs.name(index) not in done]
    with journal.open("a") as file:
        for image in _converted(paths, split, pairs, left, workers):
            done[image.name] = image
            file.write(_line(image))
            file.flush()
            yield len(done), len(pairs)
    _finish(folder, inputs, [done[name] for name in sorted(done) if done[name].objects])
    journal.unlink()


class Pairs:
    """The images of a split that COCO and LVIS both annotate, in COCO's order."""

    def __init__(self, paths: Paths, split: str) -> None:
        self.coco = CocoPanoptic(paths.coco, f"{split}2017", cache=paths.cache)
        self.lvis = Lvis(paths.lvis, split, paths.coco, cache=paths.cache)
        by_name = {name.rpartition("/")[2]: index for index, name in enumerate(self.lvis.names)}
        self._pairs = np.array(
            [(i, by_name[name]) for i, name in enumerate(self.coco.names) if name in by_name],
            np.int64,
        )
        if not len(self._pairs):
            raise IsegmError(
                f"{self.lvis.path} and the panoptic annotations of {split}2017 have no image in"
                " common"
            )

    def __len__(self) -> int:
        return len(self._pairs)

    def name(self, index: int) -> str:
        return Path(self.coco.names[int(self._pairs[index, 0])]).stem

    def masks(self, index: int) -> tuple[list[np.ndarray], int, dict[int, Any]]:
        """The masks of an image, objects first; how many are objects; and their tree. Without an
        object there are no masks.
        """
        coco_index, lvis_index = self._pairs[index].tolist()
        labels, kinds = self.coco.segments(coco_index)
        things, stuff = (
            [labels == key + 1 for key in np.flatnonzero(is_it)]
            for is_it in (kinds != STUFF, kinds == STUFF)
        )
        of_lvis = self.lvis.masks(lvis_index)
        if of_lvis and of_lvis[0].shape != labels.shape:
            raise IsegmError(
                f"{self.name(index)}: LVIS has {of_lvis[0].shape} pixels (rows, columns), COCO has"
                f" {labels.shape}"
            )
        objects = merged(regions(things), regions(of_lvis))
        if not objects:
            return [], 0, {}
        masks = [region.mask for region in objects]
        covered = np.logical_or.reduce(masks)
        around = (mask & ~covered for mask in stuff)
        tree = hierarchy(objects)
        return (
            masks + [mask for mask in around if np.count_nonzero(mask) > SMALLEST_STUFF],
            len(masks),
            tree,
        )


def convert_image(pairs: Pairs, index: int, folder: Path) -> Done:
    """Write the masks of an image."""
    masks, objects, tree = pairs.masks(index)
    name = pairs.name(index)
    if not objects:
        return Done(name, 0, {}, "")
    layers, places = paint_layers([mask.astype(np.uint8) for mask in masks], *masks[0].shape)
    content = pickle.dumps(
        ([cv2.imencode(".png", layer)[1] for layer in layers], places), pickle.HIGHEST_PROTOCOL
    )
    with replacing(folder / "masks" / f"{name}.pickle") as partial:
        partial.write_bytes(content)
    return Done(name, objects, tree, hashlib.sha256(content).hexdigest())


def panoptic_name(split: str) -> str:
    return f"panoptic_{split}2017.json"


def _converted(
    paths: Paths, split: str, pairs: Pairs, indices: Iterable[int], workers: int
) -> Iterator[Done]:
    folder = paths.output / split
    if not workers:
        yield from (convert_image(pairs, index, folder) for index in indices)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, initializer=_open, initargs=(paths, split)) as pool:
        try:
            yield from pool.map(_convert_one, indices, chunksize=16)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


_worker: dict[str, Any] = {}


def _open(paths: Paths, split: str) -> None:
    cv2.setNumThreads(1)
    _worker.update(pairs=Pairs(paths, split), folder=paths.output / split)


def _convert_one(index: int) -> Done:
    return convert_image(_worker["pairs"], index, _worker["folder"])


def _link_images(link: Path, photographs: Path) -> None:
    if link.exists():
        return
    try:
        link.symlink_to(photographs.resolve(), target_is_directory=True)
    except OSError as error:
        raise IsegmError(
            f"{link} cannot link to {photographs} ({error.strerror}); copy the photographs there"
            " and run this again"
        ) from None


def _line(image: Done) -> str:
    return json.dumps(image) + "\n"


def _read_journal(path: Path, inputs: dict[str, str]) -> list[Done]:
    if not path.exists():
        return []
    head, *lines = path.read_text().splitlines() or [""]
    try:
        known = json.loads(head)["inputs"]
    except (ValueError, KeyError, TypeError):
        return []
    if known != inputs:
        raise IsegmError(
            f"{path} was begun with other annotation files; remove it to start over, or use another"
            " --output"
        )
    images = []
    for line in lines:
        try:
            name, objects, tree, sha256 = json.loads(line)
        except ValueError:  # the line that was being written
            continue
        images.append(Done(name, objects, {int(key): node for key, node in tree.items()}, sha256))
    return images


def _is_finished(folder: Path, inputs: dict[str, str]) -> bool:
    try:
        return (
            json.loads((folder / SUMMARY).read_text())["inputs"] == inputs
            and (folder / "hannotation.pickle").exists()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _is_written(folder: Path, image: Done) -> bool:
    return not image.objects or (folder / "masks" / f"{image.name}.pickle").exists()


def _finish(folder: Path, inputs: dict[str, str], images: list[Done]) -> None:
    if not images:
        raise IsegmError(f"{folder}: no image has an object of at least 80 pixels")
    annotation = {
        image.name: {"num_instance_masks": image.objects, "hierarchy": image.hierarchy}
        for image in images
    }
    content = pickle.dumps(annotation, pickle.HIGHEST_PROTOCOL)
    with replacing(folder / "hannotation.pickle") as partial:
        partial.write_bytes(content)
    masks = hashlib.sha256("".join(f"{image.name} {image.sha256}\n" for image in images).encode())
    summary = {
        "inputs": inputs,
        "images": len(images),
        "objects": sum(image.objects for image in images),
        "hannotation_sha256": hashlib.sha256(content).hexdigest(),
        "masks_sha256": masks.hexdigest(),
    }
    with replacing(folder / SUMMARY) as partial:
        partial.write_text(json.dumps(summary, indent=1) + "\n")
