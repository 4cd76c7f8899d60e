"""Which scan belongs to which label volume: a folder laid out like the Medical Segmentation
Decathlon, or one pair.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from isegm.core.errors import IsegmError
from isegm.data.medical.volumes import is_volume, volume_name

log = logging.getLogger("isegm")


class ScanPair(NamedTuple):
    name: str
    image: Path
    label: Path


def single_pair(image: Path, label: Path) -> ScanPair:
    return ScanPair(volume_name(image), image, label)


def decathlon(root: Path) -> list[ScanPair]:
    """The pairs of ``imagesTr`` and ``labelsTr`` with the same file name, or those that
    ``dataset.json`` lists as training.

    Raises:
        IsegmError: a folder is missing or empty, a scan has no label volume, or names repeat.
    """
    listed = _description(root).get("training")
    if listed:
        pairs = [
            single_pair(root / _entry(e, "image", root), root / _entry(e, "label", root))
            for e in listed
        ]
    else:
        images = _volumes(root / "imagesTr")
        labels = {path.name for path in _volumes(root / "labelsTr")}
        pairs = [single_pair(path, root / "labelsTr" / path.name) for path in images]
        if more := labels - {path.name for path in images}:
            log.warning(
                "%s: %d label volumes belong to no scan and are left out, e.g. %s",
                root,
                len(more),
                min(more),
            )
    for kind in ("image", "label"):
        missing = [path for path in (getattr(pair, kind) for pair in pairs) if not path.is_file()]
        if missing:
            raise IsegmError(
                f"{root}: {len(missing)} of {len(pairs)} {kind} volumes are missing, the first"
                f" being {missing[0]}"
            )
    name, count = Counter(pair.name for pair in pairs).most_common(1)[0]
    if count > 1:
        raise IsegmError(f"{root}: {count} scans are called {name}; give each its own name")
    return pairs


def label_names(root: Path) -> dict[int, str]:
    """The meaning of the numbers in label volumes, as far as ``dataset.json`` gives it."""
    labels = _description(root).get("labels")
    if not isinstance(labels, dict):
        return {}
    return {int(key): str(value) for key, value in labels.items() if str(key).isdecimal()}


def _description(root: Path) -> dict[str, Any]:
    path = root / "dataset.json"
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise IsegmError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(content, dict):
        raise IsegmError(
            f"{path} must hold an object with 'training' and 'labels',"
            f" found {type(content).__name__}"
        )
    return content


def _entry(entry: Any, key: str, root: Path) -> str:
    if not isinstance(entry, dict) or key not in entry:
        raise IsegmError(
            f"{root / 'dataset.json'}: expected training entries with 'image' and 'label', found"
            f" {entry!r}"
        )
    return str(entry[key])


def _volumes(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise IsegmError(
            f"there is no folder {folder}; expected imagesTr and labelsTr, as in the Medical"
            " Segmentation Decathlon"
        )
    volumes = sorted(path for path in folder.iterdir() if is_volume(path))
    if not volumes:
        raise IsegmError(f"{folder} holds no .nii or .nii.gz file")
    return volumes
