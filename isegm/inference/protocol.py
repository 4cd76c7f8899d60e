"""Protocols: how a method is judged, one versioned YAML file each under configs/eval."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isegm.core.errors import IsegmError, unknown
from isegm.inference.cascade import Cascade
from isegm.inference.merge import ProgressiveMerge
from isegm.inference.sis import StructuralIntegrity
from isegm.inference.views.base import RULES, ViewRule
from isegm.utils.config import repository_roots
from isegm.utils.files import read_yaml

if TYPE_CHECKING:
    from isegm.inference.predictor import Predictor
    from isegm.methods.base import ClickModel

USER_THRESHOLD = 0.5  # of masks that people see, whatever numbers are published at
NO_STOP = 1.01  # an IoU that is never reached: all clicks are made
# Data sets may change entries of these sections. The value is the entry that names the part.
SECTIONS = {"view": RULES.key, "user": "name", "refine": None}
OTHERS = "others"  # in ``sizes``: data sets that are not named


# What a file may hold under a key; other keys are checked where they are used.
NUMBER = (int, float)
KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("max_clicks", "min_clicks"), int),
    **dict.fromkeys(("stop_iou", "mask_threshold"), NUMBER),
    **dict.fromkeys(("name", "source", "merge"), str),
    **dict.fromkeys(("refine", "sizes", "datasets"), dict),
    "mirror": bool,
}
KIND_WORDS = {int: "a whole number", str: "text", dict: "settings by name", bool: "true or false"}


@dataclass(frozen=True)
class Protocol:
    """Everything that moves a NoC number, apart from the network and the data.

    Attributes:
        name, version, source: which published protocol this is; any change of meaning raises the
            version.
        max_clicks: clicks per object at most; also the count of an object that fails.
        min_clicks: clicks made even if ``stop_iou`` is reached earlier.
        stop_iou: an object is finished once it has this IoU, above 0 and at most 1; ``NO_STOP``
            makes all clicks.
        mask_threshold: a pixel is in the mask where its probability is above this.
        view: ``rule``, the name of a file in isegm/inference/views, and the settings of that rule.
        user: ``name``, the name of a file in isegm/evaluation/users, and the settings of that user;
            or the name alone.
        mirror: average with the mirror image.
        merge: what clicks do to an initial mask: "replace" it, or merge one change per click into
            it, see ``ProgressiveMerge`` ("published", "guarded").
        refine: settings of the method's second look, by name; see the method's ``refine_many``.
        cfr: extra passes on the network's own answer, the settings of ``Cascade`` by name, e.g.
            ``{passes: 2}``; empty for none.
        sis: 4 or 8 to keep only what is connected with a positive click, see
            ``StructuralIntegrity``; None keeps all.
        sizes: other published sizes of views, by their name in ``--eval-mode``; each holds pixels
            by data set, with "others" for the data sets that are not named.
        datasets: changes for single data sets, by data set name.
        changes: what was changed on the command line, part of the label.

    Raises:
        IsegmError: an unknown view rule or setting, an impossible value, or a data set with another
            rule or user.
    """

    name: str
    version: int
    source: str = ""
    max_clicks: int = 20
    min_clicks: int = 1
    stop_iou: float = 0.9
    mask_threshold: float = 0.49
    view: dict[str, Any] = field(default_factory=lambda: {"rule": "zoom_in"})
    user: dict[str, Any] | str = field(default_factory=lambda: {"name": "centre"})
    mirror: bool = False
    merge: str = "replace"
    refine: dict[str, float] = field(default_factory=dict)
    cfr: dict[str, int] = field(default_factory=dict)
    sis: int | None = None
    sizes: dict[str, dict[str, int]] = field(default_factory=dict)
    datasets: dict[str, dict[str, Any]] = field(default_factory=dict)
    changes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.user, str):
            object.__setattr__(self, "user", {"name": self.user})
        if not isinstance(self.user, dict) or not isinstance(self.user.get("name"), str):
            example = "{name: centre, ...}"
            raise IsegmError(f"user is {self.user!r:.80}; expected a name, or {example}")
        self._check_kinds()
        self.cascade()  # checks the values
        if self.sis is not None:
            StructuralIntegrity(self.sis)  # checks the value
        checked_iou("stop_iou", self.stop_iou)
        RULES.make(self.view)
        for dataset, row in self.datasets.items():
            self._check_row(dataset, row)
        for name, row in self.sizes.items():
            if not isinstance(row, dict) or OTHERS not in row:
                raise IsegmError(f"sizes: {name} has {row!r:.60}; expected pixels under {OTHERS!r}")

    def _check_kinds(self) -> None:
        """Raise unless every setting is of the kind that its annotation says."""
        for name, kind in KINDS.items():
            value = getattr(self, name)
            if type(value) not in (kind if isinstance(kind, tuple) else (kind,)):
                word = "a number" if isinstance(kind, tuple) else KIND_WORDS[kind]
                raise IsegmError(f"{name} is {value!r:.60}; expected {word}")
        if self.max_clicks < 1 or self.min_clicks < 0:
            raise IsegmError(
                f"max_clicks is {self.max_clicks} and min_clicks {self.min_clicks}; expected at"
                " least 1 and 0"
            )
        if not 0 <= self.mask_threshold <= 1:
            raise IsegmError(
                f"mask_threshold is {self.mask_threshold}; expected a probability from 0 to 1"
            )

    @property
    def rule(self) -> ViewRule:
        """The rule that chooses the views."""
        return RULES.make(self.view)

    @property
    def label(self) -> str:
        """E.g. ``"square448 v1"``, or ``"square448 v1 (mirror=False)"`` after a change."""
        changes = f" ({', '.join(self.changes)})" if self.changes else ""
        return f"{self.name} v{self.version}{changes}"

    def for_dataset(self, name: str) -> Protocol:
        """The protocol for one data set: its entries of sections are merged, others replaced."""
        settings = dict(self.datasets.get(name, {}))
        for section in SECTIONS:
            if section in settings:
                settings[section] = {**getattr(self, section), **settings[section]}
        return dataclasses.replace(self, **settings)

    def changed(self, **values: Any) -> Protocol:
        """A copy with some values changed for every data set; the label says what differs."""
        known = {f.name for f in dataclasses.fields(self)}
        for key in values:
            if key not in known:
                raise unknown("protocol setting", key, known)
        kept = {name: _without(row, values) for name, row in self.datasets.items()}
        changed = dataclasses.replace(self, **values, datasets=kept)
        notes = [note for key in values for note in _differences(key, self, changed)]
        return dataclasses.replace(changed, changes=(*self.changes, *notes))

    def with_entries(self, section: str, **entries: Any) -> Protocol:
        """``changed`` for some entries of a section; its other entries stay, also those of single
        data sets.
        """
        old = getattr(self, section)
        rows = [old, *(row[section] for row in self.datasets.values() if section in row)]
        moved = [
            k for k, v in entries.items() if k not in old or any(row.get(k, v) != v for row in rows)
        ]
        datasets = {
            name: {**row, section: _without(row[section], entries)} if section in row else row
            for name, row in self.datasets.items()
        }
        changed = dataclasses.replace(self, **{section: {**old, **entries}}, datasets=datasets)
        return changed.noting(*(f"{self.noted_as(section)}.{k}={entries[k]}" for k in moved))

    def with_sizes(self, name: str) -> Protocol:
        """A copy whose views have the sizes that ``sizes`` lists under a name.

        Raises:
            IsegmError: there is no such name, or the view rule has no size.
        """
        if name not in self.sizes:
            raise unknown(f"name of sizes in protocol {self.name}", name, self.sizes)
        sizes = {dataset: self.rule.resized(side) for dataset, side in self.sizes[name].items()}
        own = {dataset: self.for_dataset(dataset).view for dataset in sizes}
        if all(own[dataset] == {**own[dataset], **size} for dataset, size in sizes.items()):
            return self
        changed = self.with_entries("view", **sizes.pop(OTHERS))
        datasets = dict(changed.datasets)
        for dataset, size in sizes.items():
            row = datasets.get(dataset, {})
            datasets[dataset] = {**row, "view": {**row.get("view", {}), **size}}
        resized = dataclasses.replace(changed, datasets=datasets)
        return resized if resized.changes != self.changes else resized.noting(f"sizes={name}")

    def for_users(self) -> Protocol:
        """The protocol for interactive use: a "published" merge, whose masks can flood, becomes
        "guarded".
        """
        return self.changed(merge="guarded") if self.merge == "published" else self

    def noting(self, *notes: str) -> Protocol:
        """A copy whose label names something outside of the protocol that moves its numbers."""
        return dataclasses.replace(self, changes=(*self.changes, *notes))

    def predictor(self, model: ClickModel, rule: ViewRule | None = None, **options) -> Predictor:
        """The predictor this protocol prescribes.

        Args:
            rule: replaces the protocol's own view rule.
            options: of ``Predictor``.
        """
        from isegm.inference.predictor import (  # protocols are read without torch, too
            Finish,
            Predictor,
        )

        threshold = self.mask_threshold
        merge = None if self.merge == "replace" else ProgressiveMerge(threshold, self.merge)
        integrity = None if self.sis is None else StructuralIntegrity(self.sis, threshold)
        finish = Finish(self.refine, merge, integrity)
        parts = {"mirror": self.mirror, "finish": finish, "cascade": self.cascade()}
        return Predictor(model, rule or self.rule, **parts, **options)

    def cascade(self) -> Cascade | None:
        """The extra passes of ``cfr``.

        Raises:
            IsegmError: an unknown or impossible setting.
        """
        if not isinstance(self.cfr, dict):
            raise IsegmError(f"cfr is {self.cfr!r:.60}; expected settings, e.g. {{passes: 2}}")
        known = {f.name for f in dataclasses.fields(Cascade)} - {"threshold"}
        for name in self.cfr:
            if name not in known:
                raise unknown("setting of cfr", name, known)
        return Cascade(**self.cfr, threshold=self.mask_threshold) if self.cfr else None

    def thresholds(self) -> tuple[float, ...]:
        """The IoU thresholds that a run with this ``stop_iou`` can be read at, up to 0.95."""
        return tuple(t for t in (0.8, 0.85, 0.9, 0.95) if t <= self.stop_iou + 1e-9)

    def noted_as(self, section: str) -> str:
        """What the label calls changes of a section."""
        return self.rule.noted_as if section == "view" else section

    def _check_row(self, dataset: str, row: Mapping[str, Any]) -> None:
        """Raise if a data set's changes cannot be merged."""
        for section, part in SECTIONS.items():
            changes, own = row.get(section, {}), getattr(self, section)
            if not isinstance(changes, dict):
                shown = f"{dataset}: {section} is {changes!r:.60}"
                raise IsegmError(f"{shown}; expected settings, e.g. {{size: 600}}")
            if part in changes and changes[part] != own[part]:
                raise IsegmError(
                    f"{dataset}: {section} has the {part} {changes[part]!r:.60}, the protocol"
                    f" {own[part]}; a data set changes settings only, so write another protocol"
                )
        RULES.make({**self.view, **row.get("view", {})})


def known_protocols() -> dict[str, Path]:
    """The files in ``configs/eval``, by name."""
    folders = [root / "configs" / "eval" for root in reversed(repository_roots())]
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.yml"))}


def load_protocol(name: str) -> Protocol:
    """Read ``configs/eval/<name>.yml``, or a YAML file given by path.

    Raises:
        IsegmError: no such protocol (the nearest names are listed), a file that is no protocol, or
            an unknown key in it.
    """
    path = Path(name) if name.endswith((".yml", ".yaml")) else known_protocols().get(name)
    if path is None or not path.exists():
        raise unknown("protocol", name, known_protocols())
    values = _read(path)
    known = {f.name for f in dataclasses.fields(Protocol)} - {"changes"}
    rows = values.get("datasets", {})
    if not isinstance(rows, dict) or not all(isinstance(row, dict) for row in rows.values()):
        raise IsegmError(f"{path}: datasets is {rows!r:.60}; expected settings by data set name")
    for settings in (values, *rows.values()):
        for key in settings:
            if key not in known:
                raise unknown(f"key in {path}", key, known)
    try:
        return Protocol(**values)
    except IsegmError as error:
        raise IsegmError(f"{path}: {error}") from None


def protocol_for(model: ClickModel, name: str | None = None) -> Protocol:
    """The protocol of a name, by default the model's own; the label says what the model adds to it.

    Raises:
        IsegmError: as ``load_protocol``.
    """
    return load_protocol(name or model.protocol).noting(*model.noted)


def checked_iou(name: str, value: float) -> float:
    """The IoU to stop at, if it is valid.

    Raises:
        IsegmError: it is neither above 0 and at most 1 nor ``NO_STOP``.
    """
    if not (0 < value <= 1 or value == NO_STOP):
        expected = f"an IoU above 0 and at most 1, e.g. 0.9, or {NO_STOP} to never stop early"
        raise IsegmError(f"{name} {value:g}: expected {expected}")
    return value


def _read(path: Path) -> dict[str, Any]:
    values = read_yaml(path)
    if not isinstance(values, dict) or not {"name", "version"} <= values.keys():
        expected = "at least a name and a version, as the files in configs/eval have"
        raise IsegmError(f"{path} is no protocol: expected {expected}")
    return values


def _differences(key: str, old: Protocol, new: Protocol) -> list[str]:
    """The notes on a changed setting; a section that keeps its part notes only changed entries."""
    before, after = getattr(old, key), getattr(new, key)
    if before == after:
        return []
    part = SECTIONS.get(key)
    if part and before[part] != after[part]:
        settings = ", ".join(f"{name}={value}" for name, value in after.items() if name != part)
        return [f"{key}={after[part]}" + (f"({settings})" if settings else "")]
    if not (isinstance(before, dict) and isinstance(after, dict) and set(before) <= set(after)):
        return [f"{key}={after}"]
    prefix, moved = new.noted_as(key), [k for k in after if before.get(k, ...) != after[k]]
    return [f"{prefix}.{name}={after[name]}" for name in moved]


def _without(row: Mapping[str, Any], names: Container[str]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}
