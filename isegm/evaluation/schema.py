"""What a result file may hold, as a schema: types, ranges, and which lists belong together.

Files of earlier versions lack the fields that have a default here. Unknown fields are ignored.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from isegm.core.errors import IsegmError

SHOWN = 3  # mistakes in a message

Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)  # no 1 for True, no NaN


class Shape(Strict):
    area: Annotated[float, Field(gt=0, le=1)]
    thinness: Share
    parts: Annotated[int, Field(ge=1)]


class ObjectEntry(Strict):
    """One object: an IoU and a time for every click."""

    id: str
    clicks: Annotated[list[Annotated[list[NotNegative], Field(min_length=3, max_length=3)]],
                      Field(min_length=1)]  # fmt: skip
    ious: list[Share]
    seconds: list[NotNegative]
    bious: list[Share] = []
    shape: Shape | None = None
    undone: list[Annotated[int, Field(ge=0)]] = []
    picture: str = ""

    @model_validator(mode="after")
    def _fits(self) -> ObjectEntry:
        count = len(self.clicks)
        if any(label not in (0, 1) for _, _, label in self.clicks):
            raise ValueError("the third number of a click is its label, 1 or 0")
        for name in ("ious", "seconds", "bious"):
            length = len(getattr(self, name))
            if length != count and not (name == "bious" and length == 0):
                raise ValueError(f"{length} {name} for {count} clicks; expected one per click")
        if any(position >= count for position in self.undone):
            raise ValueError(f"undone names a click that is not among the {count}")
        return self


class DatasetEntry(Strict):
    """One data set: every object once."""

    name: str
    fingerprint: str
    size: int | None = None
    thresholds: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)]
    max_clicks: Annotated[int, Field(ge=1)]
    seconds: dict[str, NotNegative]
    skipped: list[Annotated[list[str], Field(min_length=2, max_length=2)]]
    objects: Annotated[list[ObjectEntry], Field(min_length=1)]

    @model_validator(mode="after")
    def _whole(self) -> DatasetEntry:
        twice = [id_ for id_, times in Counter(o.id for o in self.objects).items() if times > 1]
        if twice:
            raise ValueError(f"{len(twice)} objects stand here more than once, e.g. {twice[0]!r}")
        if self.size not in (None, len(self.objects)):
            raise ValueError(f"size is {self.size}, but there are {len(self.objects)} objects")
        return self


class ProtocolEntry(Strict):
    name: str
    version: int | str
    changes: list[str] | None = None


class CheckpointEntry(Strict):
    model_config = ConfigDict(strict=True, extra="allow")

    path: str | None = None
    sha256: str | None = None
    mode: str = ""


class ResultFile(Strict):
    """The whole file."""

    schema_: Annotated[Literal[1], Field(alias="schema")]
    model_name: str = ""
    protocol: ProtocolEntry
    checkpoint: CheckpointEntry
    environment: dict[str, str]
    datasets: list[DatasetEntry]


def check_result(data: Any, source: str) -> None:
    """Raise IsegmError, which names the places, unless ``data`` is the content of a result file."""
    _check(ResultFile, data, f"{source} is not a result file of isegm evaluate")


def check_record(data: Any, source: str) -> None:
    """Raise IsegmError unless ``data`` is the record of one object."""
    _check(ObjectEntry, data, f"{source} is not the record of an object")


def _check(schema: type[BaseModel], data: Any, what: str) -> None:
    try:
        schema.model_validate(data)
    except ValidationError as error:
        mistakes = error.errors(include_url=False)
        shown = [_described(mistake) for mistake in mistakes[:SHOWN]]
        more = f"; and {len(mistakes) - SHOWN} more" if len(mistakes) > SHOWN else ""
        raise IsegmError(f"{what}: {'; '.join(shown)}{more}. Evaluate again to write it") from None


def _described(mistake: Any) -> str:
    place = ".".join(map(str, mistake["loc"])) or "the file"
    text = f"{place}: {mistake['msg'].removeprefix('Value error, ')}"
    value = mistake["input"]
    return text if isinstance(value, (dict, list)) else f"{text}, got {value!r:.60}"
