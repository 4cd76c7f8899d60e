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
    return EasyDict(
        {key: str(value) for key, value in paths.items()} | {"config_path": "config.yml"}
    )


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


def rectangle(
    top: int, left: int, bottom: int, right: int, height: int = 24, width: int = 32, value: int = 1
) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[top:bottom, left:right] = value
    return mask


def coco(root: Path, split: str = "train2017", images: int = 3) -> Path:
    """Images 1 .. n, listed backwards: an object of two polygons, one given as run lengths that
    overlaps it, and a crowd.
    """
    runs = [len(list(group)) for _, group in itertools.groupby(rectangle(8, 8, 20, 24).T.ravel())]
    annotations = []
    for image in range(1, images + 1):
        boxes = [[2, 2, 12, 2, 12, 12, 2, 12], [20, 2, 24, 2, 24, 6, 20, 6]]
        annotations += [
            {"image_id": image, "iscrowd": 0, "segmentation": boxes},
            {"image_id": image, "iscrowd": 0, "segmentation": {"counts": runs, "size": [24, 32]}},
            {
                "image_id": image,
                "iscrowd": 1,
                "segmentation": {"counts": [0, 768], "size": [24, 32]},
            },
        ]
        write(root / split / f"{image:012d}.jpg", picture(seed=image))
    listed = [
        {"id": i, "file_name": f"{i:012d}.jpg", "height": 24, "width": 32}
        for i in range(images, 0, -1)
    ]
    listed.append({"id": 99, "file_name": "no_objects.jpg", "height": 24, "width": 32})
    (root / "annotations").mkdir(exist_ok=True, parents=True)
    content = {"images": listed, "annotations": annotations}
    (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    return root


def coco_lvis(root: Path, split: str = "train", images: int = 2) -> Path:
    """Objects 0 (with part 1 in a second layer) and 2, and a stuff region, number 3."""
    first = (
        rectangle(2, 2, 14, 14)
        + rectangle(16, 20, 22, 28, value=2)
        + rectangle(0, 0, 2, 32, value=3)
    )
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
    annotation = {
        f"{i:04d}": {"num_instance_masks": 3, "hierarchy": hierarchy}
        for i in reversed(range(images))
    }
    (root / split / "hannotation.pickle").write_bytes(
        pickle.dumps(annotation, protocol=pickle.HIGHEST_PROTOCOL)
    )
    return root


def sbd(root: Path, split: str = "train", images: int = 2) -> Path:
    """Objects 1, 3 and 4 in every image; 4 is faulty, two far corners of its bounding box. The list
    is in falling order.
    """
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
    struct = {
        "Segmentation": labels,
        "Boundaries": np.zeros(3),
        "Categories": np.array([[1], [1]], np.uint8),
    }
    savemat(path, {"GTinst": struct}, do_compression=True)
    return path


def pascal_voc(root: Path, split: str = "val", images: int = 2, prefix: str = "2007") -> Path:
    """Objects 1 and 16, which share a gray level, with a band of unknown truth; the second image
    has no band.
    """
    names = [f"{prefix}_{index:06d}" for index in reversed(range(images))]
    for name in names:
        labels = rectangle(2, 2, 14, 14) + rectangle(16, 20, 22, 28, value=16)
        if name.endswith("0"):
            labels[1:15, 14] = 255
        write(root / "JPEGImages" / f"{name}.jpg", picture(seed=int(name[-6:])))
        write_voc_labels(root / "SegmentationObject" / f"{name}.png", labels)
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True, exist_ok=True)
    (lists / f"{split}.txt").write_text("\n".join(names) + "\n")
    return root


def write_voc_labels(path: Path, labels: np.ndarray) -> Path:
    """With the first entries of the real palette, and its last."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(labels)
    colours = [
        (0, 0, 0),
        (128, 0, 0),
        (0, 128, 0),
        (128, 128, 0),
        *[(1, 1, 1)] * 12,
        (0, 64, 0),
        *[(2, 2, 2)] * 238,
    ]
    image.putpalette([value for colour in [*colours, (224, 224, 192)] for value in colour])
    image.save(path)
    return path


def pascal_png(root: Path) -> Path:
    """Augmented PASCAL VOC with a mask file per object: two objects of image a, one of b, the last
    listed twice.
    """
    for name in "ab":
        write(root / "img" / f"{name}.jpg", picture(seed=ord(name)))
    for number, (name, top) in enumerate((("a#001", 2), ("a#002", 10), ("b#001", 4))):
        write(root / "gt" / f"{name}.png", rectangle(top, 3 + number, top + 8, 20))
    (root / "list").mkdir(exist_ok=True)
    (root / "list" / "train.txt").write_text("a#002\na#001\nb#001\nb#001\n")
    return root


def comb(root: Path) -> dict[str, Path]:
    """One small copy of every set that the comb recipe mixes, and what config.yml calls them."""
    coco_lvis(root / "COCO_LVIS")
    coco_lvis(root / "COCO_LVIS", "val")
    places = {
        "THINOBJECT_PATH": ("ThinObject5K", "images/t.1.jpg", "masks/t.1.png"),
        "MSRA10K_PATH": ("MSRA10K", "Imgs/m.jpg", "Imgs/m.png"),
        "DUTS_TR_PATH": ("DUTS-TR", "DUTS-TR-Image/d.jpg", "DUTS-TR-Mask/d.png"),
        "DUTS_TE_PATH": ("DUTS-TE", "DUTS-TE-Image/d.jpg", "DUTS-TE-Mask/d.png"),
        "HFLICKR_PATH": ("HFlickr", "real_images/f_8.jpg", "masks/f_8_1.png"),
    }
    for folder, image, mask in places.values():
        write(root / folder / image, picture())
        write(root / folder / mask, rectangle(4, 5, 18, 24, value=255))
    paths = {key: root / folder for key, (folder, *_) in places.items()} | {
        "COCO_LVIS_PATH": root / "COCO_LVIS"
    }
    return paths | {
        "YOUTUBEVOS_PATH": youtube_vos(root / "YouTube-VOS"),
        "ADE20K_PATH": ade20k(root / "ADE20K"),
    }


def youtube_vos(root: Path) -> Path:
    """Video b before a in meta.json; object 2 of a lives in frame 00005 only, frame 00010 is not
    annotated.
    """
    for video in "ab":
        for frame in ("00000", "00005", "00010"):
            write(root / "train" / "JPEGImages" / video / f"{frame}.jpg", picture(seed=int(frame)))
        labels = rectangle(2, 2, 12, 12) + (
            rectangle(14, 14, 22, 30, value=2) if video == "a" else 0
        )
        write_indexed(root / "train" / "Annotations" / video / "00000.png", rectangle(2, 2, 12, 12))
        write_indexed(root / "train" / "Annotations" / video / "00005.png", labels)
    objects = {"1": {"category": "cat", "frames": ["00000", "00005"]}}
    videos = {
        "b": {"objects": objects},
        "a": {"objects": {**objects, "2": {"category": "dog", "frames": ["00005"]}}},
    }
    (root / "train" / "meta.json").write_text(json.dumps({"videos": videos}))
    return root


def ade20k(root: Path, split: str = "training") -> Path:
    """One scene, two folders deep: objects 1 (sky) and 7 in the blue channel, part 3 of 7; red and
    green speak of classes.
    """
    name = root / "images" / split / "a" / "abbey" / "ADE_train_00000001"
    blue = rectangle(0, 0, 24, 32) + rectangle(5, 5, 15, 15, value=6)
    write(name.with_name(f"{name.name}.jpg"), picture())
    write(name.with_name(f"{name.name}_seg.png"), np.stack([blue, blue * 9, blue * 20], 2))
    write(
        name.with_name(f"{name.name}_parts_1.png"),
        np.stack([rectangle(6, 6, 14, 14, value=3)] * 3, 2),
    )
    lines = (
        '001 # 0 # 0 # cloud, sky # sky # ""',
        '007 # 0 # 0 # abbey # abbey # ""',
        '003 # 1 # 0 # gate # gate # ""',
    )
    name.with_name(f"{name.name}_atr.txt").write_text("\n".join(lines) + "\n")
    return root


def coco_panoptic(root: Path, split: str = "train2017", images: int = 3) -> Path:
    """Beside ``coco``: things 300 and 70000, a crowd, and stuff; the first image lists a category
    of stuff first.
    """
    codes = (
        rectangle(0, 0, 4, 32).astype(np.int32) * 5 + rectangle(6, 2, 16, 14).astype(np.int32) * 300
    )
    codes += (
        rectangle(8, 18, 22, 30).astype(np.int32) * 70_000
        + rectangle(20, 0, 24, 8).astype(np.int32) * 9
    )
    segments = [
        {"id": 5, "category_id": 184, "iscrowd": 0},
        {"id": 300, "category_id": 1, "iscrowd": 0},
        {"id": 70_000, "category_id": 2, "iscrowd": 0},
        {"id": 9, "category_id": 1, "iscrowd": 1},
    ]
    annotations = []
    for image in range(1, images + 1):
        name = f"{image:012d}"
        write(root / split / f"{name}.jpg", picture(seed=image))
        colours = np.stack([codes >> 16, (codes >> 8) % 256, codes % 256], 2).astype(
            np.uint8
        )  # as OpenCV writes: B, G, R
        write(root / "annotations" / f"panoptic_{split}" / f"{name}.png", colours)
        annotations.append(
            {"image_id": image, "file_name": f"{name}.png", "segments_info": segments}
        )
    content = {
        "images": [
            {"id": i, "file_name": f"{i:012d}.jpg", "height": 24, "width": 32}
            for i in range(1, images + 1)
        ],
        "annotations": annotations,
        "categories": [{"id": 1, "isthing": 1}, {"id": 2, "isthing": 1}, {"id": 184, "isthing": 0}],
    }
    (root / "annotations" / f"panoptic_{split}.json").write_text(json.dumps(content))
    return root


def box_polygon(top: int, left: int, bottom: int, right: int) -> list[float]:
    """x, y, x, y ... of a rectangle whose last row and column are ``bottom - 1`` and ``right - 1``
    when it is filled.
    """
    return [left, top, right - 1, top, right - 1, bottom - 1, left, bottom - 1]


def lvis(root: Path, split: str = "train", images: int = 2) -> Path:
    """Without photographs: a whole, its half, an object apart, and an outline of two corners; the
    last image has no object.
    """
    outlines = [
        [box_polygon(6, 2, 16, 14)],
        [box_polygon(6, 2, 16, 7)],
        [box_polygon(2, 20, 7, 23), box_polygon(2, 26, 7, 30)],
        [[1.0, 1.0, 5.0, 5.0]],
    ]
    annotations = [
        {"id": 10 * image + k, "image_id": image, "category_id": 1, "segmentation": outline}
        for image in range(1, images + 1)
        for k, outline in enumerate(outlines)
    ]
    url = f"http://images.cocodataset.org/{split}2017"
    listed = [
        {"id": i, "coco_url": f"{url}/{i:012d}.jpg", "height": 24, "width": 32}
        for i in range(1, images + 2)
    ]
    root.mkdir(parents=True, exist_ok=True)
    (root / f"lvis_v1_{split}.json").write_text(
        json.dumps({"images": listed, "annotations": annotations})
    )
    return root


def open_images(root: Path, split: str = "train") -> Path:
    """Image a with two masks, one of another size; b has no file, and one mask of a has none
    either.
    """
    for name, mask in (
        ("a_m1_1", rectangle(2, 2, 14, 14, value=255)),
        ("a_m2_2", rectangle(4, 4, 20, 20, 28, 36, 255)),
    ):
        write(root / split / "masks" / f"{name}.png", mask)
    write(root / split / "images" / "a.jpg", picture())
    rows = [("a_m1_1.png", "a"), ("b_m1_1.png", "b"), ("a_m2_2.png", "a"), ("a_m3_3.png", "a")]
    text = "MaskPath,ImageID,LabelName\n" + "".join(
        f"{mask},{image},/m/01\n" for mask, image in rows
    )
    (root / split / f"{split}-annotations-object-segmentation.csv").write_text(text)
    return root


def davis585(root: Path) -> Path:
    """Sequences b and a; in a, objects 1 and 2 of frame 00010, the second with one more frame."""
    for sequence, objects in (
        ("b", ("object1_00000",)),
        ("a", ("object2_00010", "object1_00010", "object2_00003")),
    ):
        for name in objects:
            write(root / sequence / f"{name.partition('_')[2]}.jpg", picture())
            write(root / sequence / f"{name}.png", rectangle(4, 4, 16, 20, value=255))
            write(root / sequence / f"init_sp_{name}.png", rectangle(4, 4, 16, 12, value=255))
            write(root / sequence / f"init_stm_{name}.png", rectangle(8, 4, 16, 20, value=255))
    return root


def bsds(root: Path, splits: tuple[str, ...] = ("train", "val", "test")) -> Path:
    """One photograph per split; one person saw two regions in it, another one three."""
    left = rectangle(0, 0, 24, 16)
    people = [2 - left, 3 - left + rectangle(0, 16, 12, 32) - left]
    for number, split in enumerate(splits):
        write(root / "images" / split / f"10{number}.jpg", picture(seed=number))
        write_bsds_labels(root / "groundTruth" / split / f"10{number}.mat", people)
    return root


def write_bsds_labels(path: Path, people: list[np.ndarray]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = np.empty((1, len(people)), object)
    for i, labels in enumerate(people):
        cells[0, i] = {"Segmentation": labels.astype(np.uint16), "Boundaries": labels > 1}
    savemat(path, {"groundTruth": cells})
    return path


def ccp(root: Path, images: int = 2) -> Path:
    """Skin (41) and a coat (5) on every annotated photograph; one more has no annotation."""
    for number in range(1, images + 2):
        write(root / "photos" / f"{number:04d}.jpg", picture(seed=number))
    for number in range(1, images + 1):
        labels = rectangle(2, 8, 8, 20, value=41) + rectangle(8, 4, 22, 24, value=5)
        write_ccp_labels(root / "annotations" / "pixel-level" / f"{number:04d}.mat", labels)
    return root


def write_ccp_labels(path: Path, labels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"groundtruth": labels})
    return path


def starter(root: Path) -> dict[str, Path]:
    """A small copy of every set that the starter's recipe mixes, and what config.yml calls them."""
    for part in ("TR", "TE"):
        folder = root / f"DUTS-{part}"
        write(folder / f"DUTS-{part}-Image" / "d.jpg", picture())
        write(folder / f"DUTS-{part}-Mask" / "d.png", rectangle(4, 5, 18, 24, value=255))
    for split in ("train2017", "val2017"):
        coco(root / "COCO", split)
    paths = {f"DUTS_{part}_PATH": root / f"DUTS-{part}" for part in ("TR", "TE")}
    paths |= {"COCO_PATH": root / "COCO", "BSDS_PATH": bsds(root / "BSDS500")}
    persons = coco(root / "COCO_persons", "val2017")
    return paths | {"COCO_PERSONS_PATH": persons, "CCP_PATH": ccp(root / "CCP")}
