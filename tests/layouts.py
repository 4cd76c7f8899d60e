"""Miniature copies of data sets on disk."""

from __future__ import annotations

import itertools
import json
import pickle
from pathlib import Path

import cv2
import numpy as np
from easydict import EasyDict
from PIL import Image
from scipy.io import savemat


def config(**paths: Path | str) -> EasyDict:
    return EasyDict({key: str(value) for key, value in paths.items()} | {"config_path": "config.yml"})


def picture(height: int = 24, width: int = 32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)
    return path


def write_indexed(path: Path, indices: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(indices)
    image.putpalette(np.random.default_rng(1).integers(0, 256, 768, dtype=np.uint8).tolist())
    image.save(path)
    return path


def rectangle(top: int, left: int, bottom: int, right: int, height: int = 24, width: int = 32, value: int = 1) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[top:bottom, left:right] = value
    return mask


def coco(root: Path, split: str = "train2017", images: int = 3) -> Path:
    """Images 1 .. n, listed backwards: an object of two polygons, one given as run lengths that overlaps it, and a crowd."""
    runs = [len(list(group)) for _, group in itertools.groupby(rectangle(8, 8, 20, 24).T.ravel())]
    annotations = []
    for image in range(1, images + 1):
        boxes = [[2, 2, 12, 2, 12, 12, 2, 12], [20, 2, 24, 2, 24, 6, 20, 6]]
        annotations += [
            {"image_id": image, "iscrowd": 0, "segmentation": boxes},
            {"image_id": image, "iscrowd": 0, "segmentation": {"counts": runs, "size": [24, 32]}},
            {"image_id": image, "iscrowd": 1, "segmentation": {"counts": [0, 768], "size": [24, 32]}},
        ]
        write(root / split / f"{image:012d}.jpg", picture(seed=image))
    listed = [{"id": i, "file_name": f"{i:012d}.jpg", "height": 24, "width": 32} for i in range(images, 0, -1)]
    listed.append({"id": 99, "file_name": "no_objects.jpg", "height": 24, "width": 32})
    (root / "annotations").mkdir(exist_ok=True, parents=True)
    content = {"images": listed, "annotations": annotations}
    (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    return root


def coco_lvis(root: Path, split: str = "train", images: int = 2) -> Path:
    """Objects 0 (with part 1 in a second layer) and 2, and a stuff region, number 3."""
    first = rectangle(2, 2, 14, 14) + rectangle(16, 20, 22, 28, value=2) + rectangle(0, 0, 2, 32, value=3)
    layers = [first, rectangle(4, 4, 8, 8)]
    places = [(0, 1), (1, 1), (0, 2), (0, 3)]
    hierarchy = {
        0: {"children": [1], "parent": None, "node_level": 0},
        1: {"children": [], "parent": 0, "node_level": 1},
        2: None,
    }
    for index in range(images):
        write(root / split / "images" / f"{index:04d}.jpg", picture(seed=index))
        path = root / split / "masks" / f"{index:04d}.pickle"
        path.parent.mkdir(parents=True, exist_ok=True)
        encoded = [cv2.imencode(".png", layer)[1] for layer in layers]
        path.write_bytes(pickle.dumps((encoded, places), protocol=pickle.HIGHEST_PROTOCOL))
    annotation = {f"{i:04d}": {"num_instance_masks": 3, "hierarchy": hierarchy} for i in reversed(range(images))}
    (root / split / "hannotation.pickle").write_bytes(pickle.dumps(annotation, protocol=pickle.HIGHEST_PROTOCOL))
    return root


def sbd(root: Path, split: str = "train", images: int = 2) -> Path:
    """Objects 1, 3 and 4 in every image; 4 is faulty, two far corners of its bounding box. The list is in falling order."""
    names = [f"2008_{index:06d}" for index in reversed(range(images))]
    for name in names:
        labels = rectangle(2, 2, 14, 14) + rectangle(16, 20, 22, 28, value=3)
        labels[0, 0] = labels[23, 31] = 4
        write(root / "img" / f"{name}.jpg", picture(seed=int(name[-6:])))
        write_sbd_labels(root / "inst" / f"{name}.mat", labels)
    (root / f"{split}.txt").write_text("\n".join(names) + "\n")
    return root


def write_sbd_labels(path: Path, labels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    struct = {"Segmentation": labels, "Boundaries": np.zeros(3), "Categories": np.array([[1], [1]], np.uint8)}
    savemat(path, {"GTinst": struct}, do_compression=True)
    return path
