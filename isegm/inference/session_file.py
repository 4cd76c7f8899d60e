"""Session files: a user's work on one image, complete enough to be repeated exactly.

JSON with the checkpoint's hash and, for every object, the settings, the clicks, the initial mask
and the resulting mask. The image may be included. Files are not trusted: everything is checked, and
nothing is executed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.masks import PackedMask
from isegm.core.rounds import Session
from isegm.inference.controls import Settings
from isegm.inference.predictor import Predictor
from isegm.utils import rle

KIND, SCHEMA = "isegm session", 1
MAX_CLICKS, MAX_OBJECTS = 200, 200
MAX_VALUES = 4_000_000  # of JSON; a second of parsing
MAX_MASK_PIXELS = 1 << 30  # of all masks together: a few runs can describe any number of pixels


@dataclass(frozen=True)
class RecordedObject:
    """One object.

    Attributes:
        clicks: in the order they were made.
        settings: all settings of the last answer, see ``Answering``.
        mask: what the user saw last.
        start: the initial mask, if there was one.
        finished: the user went on to the next object.
    """

    name: str
    clicks: tuple[Click, ...]
    settings: Settings
    mask: PackedMask
    start: PackedMask | None = None
    finished: bool = True


@dataclass(frozen=True)
class SessionFile:
    """One image and the objects in it.

    Attributes:
        image_name: the file name.
        image_sha256: of the decoded pixels, see ``pixels_sha256``.
        size: rows and columns.
        checkpoint: ``name`` and ``sha256``.
        protocol: ``name`` (of its file, without suffix), ``dataset`` (whose changes were used, or
            None) and ``label`` (None in files of older versions).
        image: the encoded image, if it is included.
    """

    image_name: str
    image_sha256: str
    size: tuple[int, int]
    checkpoint: dict[str, str]
    protocol: dict[str, str | None]
    objects: tuple[RecordedObject, ...]
    image: bytes | None = None

    def differences(
        self, sha256: str, image_sha256: str, protocol: dict[str, str | None], lacking: list[str]
    ) -> list[str]:
        """What has changed since the session was recorded.

        Args:
            sha256: of the current checkpoint.
            image_sha256: of the current image.
            protocol: the current protocol.
            lacking: recorded settings that the current method does not have.
        """
        notes = []
        if self.checkpoint["sha256"] != sha256:
            notes.append(f"it was recorded with another checkpoint ({self.checkpoint['name']})")
        if self.image_sha256 != image_sha256:
            notes.append(f"it was recorded on another image ({self.image_name})")
        compared = ("label", "dataset") if self.protocol["label"] else ("dataset",)
        if any(self.protocol[part] != protocol[part] for part in compared):
            notes.append(
                f"it was recorded under another protocol ({described(self.protocol)}, now"
                f" {described(protocol)})"
            )
        if lacking:
            names = [f"{name:.20}" for name in lacking[:8]] + ["..."] * (len(lacking) > 8)
            notes.append(f"this method has no setting {', '.join(names)}, so that was left out")
        return notes

    def as_json(self) -> dict[str, Any]:
        image: dict[str, Any] = {
            "name": self.image_name,
            "sha256": self.image_sha256,
            "size": list(self.size),
        }
        if self.image is not None:
            image["data"] = base64.b64encode(self.image).decode()
        return {
            "kind": KIND,
            "schema": SCHEMA,
            "checkpoint": self.checkpoint,
            "protocol": self.protocol,
            "image": image,
            "objects": [_object_as_json(recorded) for recorded in self.objects],
        }

    @classmethod
    def from_json(cls, data: Any) -> SessionFile:
        """Read what ``as_json`` wrote.

        Raises:
            IsegmError: it is no session file, or a damaged one; it says where.
        """
        if not isinstance(data, dict) or data.get("kind") != KIND:
            raise IsegmError("this is no session file; the demo writes them (Save, Session)")
        if data.get("schema") != SCHEMA:
            raise IsegmError(
                f"the session file has schema {data.get('schema')!r:.20}, this version of isegm"
                f" reads {SCHEMA}"
            )
        image = _field(data, "image", dict)
        size = tuple(_field(image, "size", list))
        if len(size) != 2 or not all(type(side) is int and 0 < side < 1 << 16 for side in size):
            raise IsegmError(f"session file: image.size is {size!r:.60}, expected rows and columns")
        objects = _field(data, "objects", list)
        if len(objects) > MAX_OBJECTS:
            raise IsegmError(
                f"session file: {len(objects)} objects, at most {MAX_OBJECTS} are read"
            )
        if mask_pixels(data) > MAX_MASK_PIXELS:
            raise IsegmError(
                f"session file: {len(objects)} objects with masks of {size[0]} x {size[1]} pixels;"
                f" at most {MAX_MASK_PIXELS:,} pixels are read in all"
            )
        return cls(
            image_name=_text(image, "name", 200),
            image_sha256=_text(image, "sha256", 64),
            size=size,
            checkpoint={
                name: _text(_field(data, "checkpoint", dict), name, 255)
                for name in ("name", "sha256")
            },
            protocol=_protocol(_field(data, "protocol", dict)),
            objects=tuple(_object_from_json(entry, size) for entry in objects),
            image=_decoded(image["data"]) if "data" in image else None,
        )

    @classmethod
    def loads(cls, text: str | bytes) -> SessionFile:
        """``from_json`` of a JSON text."""
        return cls.from_json(parsed(text))

    @classmethod
    def load(cls, path: str | Path) -> SessionFile:
        """``from_json`` of a file.

        Raises:
            IsegmError: it cannot be read, or as ``from_json``.
        """
        try:
            return cls.loads(Path(path).read_bytes())
        except OSError as error:
            raise IsegmError(f"{path} cannot be read: {error.strerror or error}") from None
        except IsegmError as error:
            raise IsegmError(f"{path}: {error}") from None


def parsed(text: str | bytes) -> Any:
    """The JSON of a session file; nothing in it is looked at.

    Raises:
        IsegmError: it is no JSON, or has more values than any session, whose parsing would block a
            server.
    """
    values = text.count(b"," if isinstance(text, bytes) else ",")
    if values > MAX_VALUES:
        raise IsegmError(
            f"this is no session file: it has {values:,} values, at most {MAX_VALUES:,} are read"
        )
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise IsegmError("this is no session file: it is not JSON") from None


def mask_pixels(data: Any) -> int:
    """How many pixels the masks of a session file have, before any is decoded; 0 if the file is
    damaged. ``from_json`` decodes at most ``MAX_MASK_PIXELS``.
    """
    try:
        rows, columns = data["image"]["size"]
        starts = sum(entry.get("start") is not None for entry in data["objects"])
        return max(0, (len(data["objects"]) + starts) * int(rows) * int(columns))
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError):
        return 0


def mask_bytes(data: Any) -> int:
    """The memory that decoding and replaying the masks of a session file takes: all of them as
    bits, in the file and in the workspace, and one unpacked.
    """
    pixels = min(mask_pixels(data), MAX_MASK_PIXELS)
    return pixels // 4 + pixels // max(1, len(data["objects"])) if pixels else 0


def described(protocol: dict[str, str | None]) -> str:
    """A recorded protocol in words, e.g. "square448 v1 for DAVIS"."""
    name = protocol["label"] or protocol["name"]
    return f"{name} for {protocol['dataset']}" if protocol["dataset"] else name


def pixels_sha256(image: np.ndarray) -> str:
    """The hash of ``H W 3`` uint8 RGB; all lossless formats of a picture have the same."""
    pixels = np.ascontiguousarray(image).tobytes()
    return hashlib.sha256(repr(image.shape).encode() + pixels).hexdigest()


def answered(
    predictor: Predictor,
    session: Session,
    clicks: tuple[Click, ...] | list[Click],
    after_each: Callable[[Session], None] = lambda session: None,
) -> Session:
    """The session after these further clicks."""
    for click in clicks:
        session = predictor.click(session, click)
        after_each(session)
    return session


def _object_as_json(recorded: RecordedObject) -> dict[str, Any]:
    return {
        "name": recorded.name,
        "finished": recorded.finished,
        "settings": recorded.settings,
        "clicks": [[click.y, click.x, int(click.positive)] for click in recorded.clicks],
        "start": None if recorded.start is None else rle.encode(recorded.start.pixels),
        "mask": rle.encode(recorded.mask.pixels),
    }


def _object_from_json(entry: Any, size: tuple[int, int]) -> RecordedObject:
    if not isinstance(entry, dict):
        raise IsegmError("session file: every entry of objects must be a mapping")
    clicks = _field(entry, "clicks", list)
    if len(clicks) > MAX_CLICKS:
        raise IsegmError(
            f"session file: {len(clicks)} clicks on one object, at most {MAX_CLICKS} are read"
        )
    start = entry.get("start")
    return RecordedObject(
        name=_text(entry, "name", 100),
        clicks=tuple(_click(click, size) for click in clicks),
        settings={
            _readable(name): value for name, value in _field(entry, "settings", dict).items()
        },
        mask=PackedMask.of(rle.decode(entry.get("mask"), size)),
        start=None if start is None else PackedMask.of(rle.decode(start, size)),
        finished=_field(entry, "finished", bool),
    )


def _click(click: Any, size: tuple[int, int]) -> Click:
    three = isinstance(click, list) and len(click) == 3
    numbers = three and all(type(value) in (int, float) for value in click)
    if not numbers or click[2] not in (0, 1):
        raise IsegmError(f"session file: click {click!r:.60}, expected [y, x, 1 or 0]")
    y, x, label = click
    if not (0 <= y < size[0] and 0 <= x < size[1]):
        raise IsegmError(
            f"session file: click {click!r:.60} lies outside the image of {size[0]} rows and"
            f" {size[1]} columns"
        )
    return Click(float(y), float(x), label == 1)


def _protocol(data: dict[str, Any]) -> dict[str, str | None]:
    dataset, label = data.get("dataset"), data.get("label")
    for key, value in (("dataset", dataset), ("label", label)):
        if not (value is None or isinstance(value, str)):
            raise IsegmError(f"session file: protocol.{key} must be a name or null")
    name = _field(data, "name", str)
    if not re.fullmatch(r"[^/\\\0]{1,255}", name):
        raise IsegmError(
            f"session file: protocol.name is {name!r:.60}, expected the name of a protocol file"
        )
    return {
        "name": _readable(name),
        "dataset": dataset and _readable(dataset[:100]),
        "label": label and _readable(label[:200]),
    }


def _decoded(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise IsegmError("session file: image.data is not base64") from None


def _field(data: dict[str, Any], name: str, kind: type) -> Any:
    value = data.get(name)
    if not isinstance(value, kind):
        raise IsegmError(
            f"session file: {name!r} is {type(value).__name__}, expected {kind.__name__}"
        )
    return value


def _text(data: dict[str, Any], name: str, length: int) -> str:
    return _readable(_field(data, name, str)[:length])


def _readable(text: str) -> str:
    """Text that is safe for a page or a terminal: no control characters and no surrogates."""
    return "".join(
        "\ufffd" if unicodedata.category(character) in ("Cc", "Cs") else character
        for character in text
    )
