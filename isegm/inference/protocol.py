"""Protocols: how a method is judged, one versioned YAML file each under configs/eval."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from isegm.core.errors import IsegmError, unknown
from isegm.inference.merge import ProgressiveMerge
from isegm.inference.predictor import Finish, Predictor
from isegm.inference.sis import StructuralIntegrity
from isegm.inference.zoom import WholeImage, ZoomIn
from isegm.methods.base import ClickModel
from isegm.utils.config import repository_roots

USER_THRESHOLD = 0.5  # of masks that people see, whatever numbers are published at
NO_STOP = 1.01  # an IoU that nothing reaches: all clicks are made
SECTIONS = ("zoom", "whole", "refine")


@dataclass(frozen=True)
class Protocol:
    """Everything that moves a NoC number, apart from the network and the data.

    Attributes:
        name, version, source: which published protocol this is; any change of meaning raises the version.
        max_clicks: clicks per object at most; the count of an object that never gets there.
        min_clicks: clicks made even if ``stop_iou`` is reached earlier.
        stop_iou: an object is finished once it has this IoU, above 0 and at most 1; ``NO_STOP`` makes all clicks.
        mask_threshold: a pixel is in the mask where its probability is above this.
        zoom: arguments of ``ZoomIn``, or None for whole images.
        whole: arguments of ``WholeImage``, where ``zoom`` is None.
        mirror: average with the mirror image.
        merge: what clicks do to a mask that is given to start from: "replace" it, or merge one change per click into it, see
            ``ProgressiveMerge`` ("published", "guarded").
        refine: settings of the method's second look, by name; see the method's ``refine_many``.
        sis: 4 or 8 to keep only what is connected with a positive click, see ``StructuralIntegrity``; None keeps all.
        datasets: changes for single data sets, by data set name.
        changes: what was changed on the command line, part of the label.
    """

    name: str
    version: int
    source: str = ""
    max_clicks: int = 20
    min_clicks: int = 1
    stop_iou: float = 0.9
    mask_threshold: float = 0.49
    zoom: dict[str, Any] | None = field(default_factory=dict)
    whole: dict[str, Any] = field(default_factory=dict)
    mirror: bool = False
    merge: str = "replace"
    refine: dict[str, float] = field(default_factory=dict)
    sis: int | None = None
    datasets: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.sis is not None:
            StructuralIntegrity(self.sis)  # refuses what is no connectivity
        checked_iou("stop_iou", self.stop_iou)

    @property
    def label(self) -> str:
        """E.g. ``"ritm v1"``, or ``"ritm v1 (mirror=False)"`` where something was changed."""
        return f"{self.name} v{self.version}" + (f" ({', '.join(self.changes)})" if self.changes else "")

    def for_dataset(self, name: str) -> Protocol:
        """The protocol with what it says about one data set applied; entries of sections are merged, others replaced."""
        settings = dict(self.datasets.get(name, {}))
        for section in SECTIONS:
            if settings.get(section) is not None and getattr(self, section) is not None:
                settings[section] = {**getattr(self, section), **settings[section]}
        return dataclasses.replace(self, **settings)

    def changed(self, **values: Any) -> Protocol:
        """A copy with some values changed for every data set; what differs is remembered in the label."""
        known = {f.name for f in dataclasses.fields(self)}
        notes = list(self.changes)
        for key, value in values.items():
            if key not in known:
                raise unknown("protocol setting", key, known)
            notes += _differences(key, getattr(self, key), value)
        datasets = {n: {k: v for k, v in s.items() if k not in values} for n, s in self.datasets.items()}
        return dataclasses.replace(self, **values, datasets=datasets, changes=tuple(notes))

    def with_entries(self, section: str, **entries: Any) -> Protocol:
        """A copy with some entries of a section changed for every data set, as ``changed``; its other entries stay as they are,
        those of single data sets too.
        """
        old = getattr(self, section) or {}
        rows = {name: dict(settings[section] or {}) for name, settings in self.datasets.items() if section in settings}
        moved = {k: v for k, v in entries.items() if any(row.get(k, v) != v for row in (old, *rows.values())) or k not in old}
        left = {name: {k: v for k, v in row.items() if k not in entries} for name, row in rows.items()}
        return dataclasses.replace(
            self,
            **{section: {**old, **entries}},
            datasets={n: {**s, section: left[n]} if n in left else s for n, s in self.datasets.items()},
            changes=(*self.changes, *(f"{section}.{name}={value}" for name, value in moved.items())),
        )

    def for_users(self) -> Protocol:
        """The protocol as a program for people answers by it: a "published" merge, whose masks can flood, becomes "guarded"."""
        return self.changed(merge="guarded") if self.merge == "published" else self

    def noting(self, *notes: str) -> Protocol:
        """A copy whose label says what else moves its numbers, outside of the protocol."""
        return dataclasses.replace(self, changes=(*self.changes, *notes))

    def predictor(self, model: ClickModel, **options: Any) -> Predictor:
        """The predictor this protocol prescribes."""
        zoom = WholeImage(**_with_tuples(self.whole)) if self.zoom is None else ZoomIn(**_with_tuples(self.zoom))
        merge = None if self.merge == "replace" else ProgressiveMerge(self.mask_threshold, self.merge)
        integrity = None if self.sis is None else StructuralIntegrity(self.sis, self.mask_threshold)
        return Predictor(model, zoom, mirror=self.mirror, finish=Finish(self.refine, merge, integrity), **options)

    def thresholds(self) -> tuple[float, ...]:
        """The IoU thresholds that a run with this ``stop_iou`` can be read at: 0.8, 0.85, 0.9 and perhaps 0.95."""
        return tuple(t for t in (0.8, 0.85, 0.9, 0.95) if t <= self.stop_iou + 1e-9)


def known_protocols() -> dict[str, Path]:
    """The files in ``configs/eval``, by name."""
    files = (path for root in reversed(repository_roots()) for path in sorted(root.glob("configs/eval/*.yml")))
    return {path.stem: path for path in files}


def load_protocol(name: str) -> Protocol:
    """Read ``configs/eval/<name>.yml``, or a YAML file given by path.

    Raises:
        IsegmError: no such protocol (the nearest names are listed), a file that is none, or an unknown key in it.
    """
    path = Path(name) if name.endswith((".yml", ".yaml")) else known_protocols().get(name)
    if path is None or not path.exists():
        raise unknown("protocol", name, known_protocols())
    values = _read(path)
    known = {f.name for f in dataclasses.fields(Protocol)} - {"changes"}
    for settings in (values, *values.get("datasets", {}).values()):
        for key in settings:
            if key not in known:
                raise unknown(f"key in {path}", key, known)
    for section, kind in (("zoom", ZoomIn), ("whole", WholeImage)):
        keys = {f.name for f in dataclasses.fields(kind)}
        for settings in (values, *values.get("datasets", {}).values()):
            for key in settings.get(section) or {}:
                if key not in keys:
                    raise unknown(f"{section} key in {path}", key, keys)
    return Protocol(**values)


def checked_iou(name: str, value: float) -> float:
    """The IoU to stop at, if it is one.

    Raises:
        IsegmError: it is neither above 0 and at most 1 nor ``NO_STOP``.
    """
    if not (0 < value <= 1 or value == NO_STOP):
        raise IsegmError(f"{name} {value:g}: expected an IoU above 0 and at most 1, e.g. 0.9, or {NO_STOP} to never stop early")
    return value


def fixed_size(protocol: Protocol, mode: str | None) -> Protocol:
    """The protocol under an ``--eval-mode``; None leaves it as it is.

    ``cvpr`` leaves it too, and ``fixedN`` crops to N x N pixels from the first click on, or shows whole images at that size
    where the protocol has a size for them. Of EMC-Click's protocol ``emc-click`` is the size in the file, and ``cvpr`` is 400
    pixels on the shorter side (600 for DAVIS).
    """
    sized, emc = protocol.zoom is None and "size" in protocol.whole, protocol.name == "emc_click"
    if mode == "emc-click" and not emc:
        raise IsegmError(f"--eval-mode emc-click belongs to --protocol emc_click, not to {protocol.name}")
    if mode == "cvpr" and emc:
        protocol = protocol.with_entries("whole", size=400)
        return dataclasses.replace(protocol, datasets=protocol.datasets | {"DAVIS": {"whole": {"size": 600}}})
    if mode in (None, "cvpr", "emc-click"):
        return protocol
    digits = mode.removeprefix("fixed")
    sizes = digits.split(",")
    if not mode.startswith("fixed") or len(sizes) > 2 or not all(s.isdigit() and int(s) > 0 for s in sizes):
        raise IsegmError(f"--eval-mode {mode!r}: expected cvpr, fixedN (e.g. fixed448), fixedH,W or emc-click")
    size = [int(s) for s in (sizes if len(sizes) == 2 else sizes * 2)]
    if sized:
        return protocol.with_entries("whole", size=size)
    return protocol.with_entries("zoom", skip_clicks=-1, size=size)


def with_crops(
    protocol: Protocol, infer_size: int | None = None, target_crop: float | None = None, focus_crop: float | None = None
) -> Protocol:
    """The protocol under ClickSEG's flags; None leaves a setting as it is.

    Args:
        infer_size: the network sees every view at ``infer_size`` x ``infer_size`` pixels; of protocols that show whole images
            (EMC-Click) it is the shorter side.
        target_crop: how much larger than the object's bounding box the crop is.
        focus_crop: how much larger than the box of the newest change the second look of FocalClick is.

    Raises:
        IsegmError: the protocol has no zoom-in or no second look to change, or a number is too small.
    """
    whole = protocol.zoom is None and "size" in protocol.whole
    size = {"size": infer_size if whole else infer_size and [infer_size, infer_size]}
    sections = (
        ("whole" if whole else "zoom", size),
        ("zoom", {"expansion": target_crop}),
        ("refine", {"expansion": focus_crop}),
    )
    for section, given in sections:
        changes = {name: value for name, value in given.items() if value is not None}
        if not changes:
            continue
        if not getattr(protocol, section):
            raise IsegmError(f"protocol {protocol.name} has no {section} section, so {', '.join(changes)} cannot be set")
        protocol = protocol.with_entries(section, **changes)
    if infer_size is not None and infer_size < 32:
        raise IsegmError(f"--infer-size {infer_size}: expected at least 32 pixels")
    for flag, ratio in (("--target-crop-r", target_crop), ("--focus-crop-r", focus_crop)):
        if ratio is not None and ratio < 1:
            raise IsegmError(f"{flag} {ratio}: a crop must not be smaller than what it shows; expected at least 1, e.g. 1.4")
    return protocol


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise IsegmError(f"{path} cannot be read as YAML: {error}") from None
    if not isinstance(values, dict) or not {"name", "version"} <= values.keys():
        raise IsegmError(f"{path} is no protocol: it must give at least a name and a version, as configs/eval/ritm.yml does")
    return values


def _differences(key: str, old: Any, new: Any) -> list[str]:
    """What to note of a changed setting: of a section only the entries that changed."""
    if not (isinstance(old, dict) and isinstance(new, dict) and set(old) <= set(new)):
        return [f"{key}={new}"] if new != old else []
    return [f"{key}.{name}={value}" for name, value in new.items() if name not in old or old[name] != value]


def _with_tuples(zoom: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in zoom.items()}
