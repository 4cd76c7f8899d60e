"""The zoo: what others publish, by name, and where it is. ``assets/zoo.yml`` is the list."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from isegm.core.errors import IsegmError, unknown
from isegm.utils.config import repository_file
from isegm.utils.files import read_yaml

CATALOGUE = "assets/zoo.yml"
OTHER_CATALOGUE = "ISEGM_ZOO"  # environment variable: another file, e.g. of a mirror in your house
KINDS = {"checkpoints": "checkpoint", "datasets": "dataset", "backbones": "backbone"}
UNITS = {"KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
HASHES = ("sha256", "md5", "git")


@dataclass(frozen=True)
class Remote:
    """One file that lies on a server.

    Attributes:
        file: its name here, e.g. ``"coco_lvis_h18s_itermask.pth"``.
        addresses: ``https://...``, ``hf:owner/repository/file`` or ``drive:ID``, the preferred one
            first; empty if no address names the file, so that a person must fetch it.
        called: what its project calls it; empty if that is ``file``.
        size: in bytes; None: not known.
        exact: whether ``size`` is exact, or about what the project states.
        hash: ``sha256:...``, ``md5:...`` or ``git:...``, perhaps only its beginning; empty: not
            known.
        tried: whether somebody downloaded the file from its first address and used it.
        holds: files and folders by which the root of an unpacked archive is found.
        nested: archives inside the archive.
    """

    file: str
    addresses: tuple[str, ...] = ()
    called: str = ""
    size: int | None = None
    exact: bool = False
    hash: str = ""
    tried: bool = False
    holds: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()

    @property
    def size_label(self) -> str:
        """E.g. ``"16.5 MB"``; empty if the size is not known."""
        return "" if self.size is None else readable(self.size)


@dataclass(frozen=True)
class PublishedRows:
    """Which rows of ``assets/published.csv`` are about a checkpoint.

    Attributes:
        mode: of ``isegm evaluate``, by which these numbers were measured.
        source: of the rows; empty: any.
    """

    mode: str
    method: str
    backbone: str
    train_set: str
    source: str = ""

    def match(self, row: Any) -> bool:
        """Whether they are about a row: anything with these attributes, such as a
        ``PublishedRow`` of the ledger.
        """
        wanted = (self.method, self.backbone, self.train_set)
        own = (row.method, row.backbone, row.train_set)
        return own == wanted and self.source in ("", row.source)


@dataclass(frozen=True)
class Entry:
    """A published checkpoint, data set or pretrained backbone.

    Attributes:
        name: what commands call it, e.g. ``"ritm_h18s_cocolvis"``.
        kind: ``"checkpoint"``, ``"dataset"`` or ``"backbone"``.
        files: what it consists of; a checkpoint and a backbone have exactly one.
        aliases: its other names.
        page: where a person finds it.
        licence: as the project states it.
        paper, arxiv: title, and number on arXiv; empty if there is none.
        method: as in the ledger of published numbers; empty if that has none.
        experiment: the script in ``models/`` that names the network and trains it, or empty.
        protocol: of ``configs/eval``, by which its authors evaluate.
        trained_on: the training set, as in the ledger.
        published: which rows of the ledger are about it; usually one, for f-BRS one for each mode.
        quoted_as: what other sources in the ledger call its backbone.
        key: of config.yml: where the data set is, or the backbone's name under PRETRAINED.
        links: folders of the data set that are folders of others, as ``(folder, "KEY/folder")``.
        note: what its users must know.
    """

    name: str
    kind: str
    files: tuple[Remote, ...]
    aliases: tuple[str, ...] = ()
    page: str = ""
    licence: str = ""
    paper: str = ""
    arxiv: str = ""
    method: str = ""
    experiment: str = ""
    protocol: str = ""
    trained_on: str = ""
    published: tuple[PublishedRows, ...] = ()
    quoted_as: tuple[str, ...] = ()
    key: str = ""
    links: tuple[tuple[str, str], ...] = ()
    note: str = ""

    @property
    def file(self) -> Remote:
        """The file of a checkpoint or a backbone."""
        (only,) = self.files
        return only

    @property
    def origin(self) -> str:
        """Where a person finds it, e.g. ``"https://example.org/sets: GrabCut.zip"``."""
        names = [
            remote.called or (remote.file if remote.addresses else "") for remote in self.files
        ]
        return ": ".join(filter(None, (self.page, ", ".join(filter(None, names)))))

    @property
    def by_hand(self) -> bool:
        """Whether some of it has no address, so that a person must fetch it."""
        return not all(remote.addresses for remote in self.files)

    @property
    def how(self) -> str:
        """The command that brings it here, or says how a person does."""
        lead = "see where to get it" if self.by_hand else "run"
        return f"{lead}: isegm download {self.name}"

    @property
    def size(self) -> int | None:
        """All files together, in bytes, as far as known."""
        sizes = [remote.size for remote in self.files if remote.size is not None]
        return sum(sizes) if sizes else None


def readable(size: float) -> str:
    """A number of bytes as people read it, e.g. ``"16.5 MB"``."""
    for unit, factor in reversed(UNITS.items()):
        if size >= factor:
            return (
                f"{size / factor:.3g} {unit}"
                if size < 1000 * factor
                else f"{size / factor:.0f} {unit}"
            )
    return f"{size:.0f} bytes"


def entries(kind: str | None = None) -> tuple[Entry, ...]:
    """Everything in the zoo, or all of one kind, in the order of ``assets/zoo.yml``.

    Raises:
        IsegmError: the file is missing or damaged.
    """
    other = os.environ.get(OTHER_CATALOGUE)
    everything = read(Path(other).expanduser() if other else repository_file(CATALOGUE))
    return tuple(each for each in everything if kind in (None, each.kind))


def entry(name: str) -> Entry:
    """The entry of a name, an alias, or the name of a file with or without its suffix.

    Raises:
        IsegmError: there is none; the nearest names are listed.
    """
    if found := find(name):
        return found
    raise unknown("name in the zoo", name, [each.name for each in entries()])


def find(name: str, kind: str | None = None) -> Entry | None:
    """As ``entry``, perhaps among those of one kind; None if there is none."""
    for each in entries(kind):
        files = [remote.file for remote in each.files] if each.kind != "dataset" else []
        stems = [Path(file).stem for file in files]
        if name in (each.name, *each.aliases, *files, *stems):
            return each
    return None


def for_key(key: str) -> Entry | None:
    """The data set or backbone of a key of config.yml, e.g. ``GRABCUT_PATH``; None: none."""
    return next((each for each in entries() if key and each.key == key), None)


@cache
def read(path: Path) -> tuple[Entry, ...]:
    """The entries of a file like ``assets/zoo.yml``.

    Raises:
        IsegmError: the file is missing, no such file, or two entries have the same name.
    """
    try:
        listed = read_yaml(path)
        projects = listed.get("projects", {})
        found = tuple(
            _entry(name, kind, fields, projects)
            for group, kind in KINDS.items()
            for name, fields in listed.get(group, {}).items()
        )
    except IsegmError as error:
        if path.is_file():
            raise IsegmError(f"{path} is damaged: {error}; restore it") from None
        raise IsegmError(
            f"the zoo cannot be read: {error}; install isegm again, or mend {OTHER_CATALOGUE}"
        ) from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise IsegmError(f"{path} is damaged: {error}; restore it") from None
    names = [name for each in found for name in (each.name, *each.aliases)]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise IsegmError(f"{path}: {', '.join(sorted(doubled))} stands there twice")
    return found


def _entry(name: str, kind: str, own: Mapping[str, Any], projects: Mapping[str, Any]) -> Entry:
    fields = {**(projects[own["project"]] if "project" in own else {}), **own}
    plain = ("page", "licence", "paper", "arxiv", "method", "experiment", "protocol")
    plain += ("trained_on", "key", "note")
    listed = fields.get("files") or [fields]
    return Entry(
        name,
        kind,
        tuple(
            _remote(each, fields, f"{name}.pth" if kind != "dataset" else name) for each in listed
        ),
        tuple(fields.get("aliases", ())),
        published=tuple(_published(fields)) if kind == "checkpoint" else (),
        quoted_as=tuple(fields.get("quoted_as", ())),
        links=tuple(fields.get("links", {}).items()),
        **{key: str(fields.get(key, "")) for key in plain},
    )


def _published(fields: Mapping[str, Any]) -> list[PublishedRows]:
    modes = fields.get("modes") or {"NoBRS": fields["method"]}
    about = (str(fields.get(key, "")) for key in ("backbone", "trained_on", "source"))
    backbone, trained_on, source = about
    return [
        PublishedRows(mode, method, backbone, trained_on, source) for mode, method in modes.items()
    ]


def _remote(own: Mapping[str, Any], shared: Mapping[str, Any], default: str) -> Remote:
    file = str(own.get("file", default))
    bases = shared.get("bases", ()) if "file" in own else ()
    size = own.get("size")
    hash_ = str(own.get("hash", ""))
    if hash_ and hash_.partition(":")[0] not in HASHES:
        raise ValueError(f"hash {hash_!r} of {file} must begin with {', '.join(HASHES)}")
    return Remote(
        file,
        tuple(own.get("addresses") or [base + file for base in bases]),
        str(own.get("called", "")),
        _bytes(size),
        isinstance(size, int),
        hash_,
        bool(own.get("tried", False)),
        tuple(own.get("holds") or shared.get("holds", ())),
        tuple(own.get("nested", ())),
    )


def _bytes(size: int | str | None) -> int | None:
    if size is None or isinstance(size, int):
        return size
    match = re.fullmatch(r"([\d.]+) (KB|MB|GB)", size)
    if not match:
        raise ValueError(f"size {size!r}; expected bytes, or e.g. '16.5 MB'")
    return round(float(match[1]) * UNITS[match[2]])
