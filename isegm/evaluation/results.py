"""Result files: every click and IoU of every object, from which any metric can be computed without
a network.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

import isegm
from isegm.core.errors import IsegmError
from isegm.evaluation.judge import ObjectShape
from isegm.evaluation.metrics import summarise
from isegm.evaluation.schema import check_result
from isegm.inference.protocol import Protocol
from isegm.utils.files import read_json, replacing

SCHEMA = 1


@dataclass(frozen=True)
class ObjectRecord:
    """One object: its clicks (y, x, label 1 or 0), and for each the IoU and the model time in
    seconds.

    Attributes:
        bious: the boundary IoU after each click, empty in files of earlier versions.
        shape: what kind of object it is, None in files of earlier versions.
        undone: positions in ``clicks`` of those that were undone before the next click.
        picture: the photograph it is from, empty if the id tells; see ``Sample``.
    """

    id: str
    clicks: tuple[tuple[float, float, int], ...]
    ious: tuple[float, ...]
    seconds: tuple[float, ...]
    bious: tuple[float, ...] = ()
    shape: ObjectShape | None = None
    undone: tuple[int, ...] = ()
    picture: str = ""

    def as_json(self) -> dict[str, Any]:
        data = {
            "id": self.id,
            "clicks": [list(c) for c in self.clicks],
            "ious": list(self.ious),
            "seconds": [round(s, 6) for s in self.seconds],
        }
        if self.bious:
            data["bious"] = list(self.bious)
        if self.shape:
            data["shape"] = asdict(self.shape)
        if self.undone:
            data["undone"] = list(self.undone)
        if self.picture:
            data["picture"] = self.picture
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ObjectRecord:
        return cls(
            data["id"],
            tuple(tuple(c) for c in data["clicks"]),
            tuple(data["ious"]),
            tuple(data["seconds"]),
            tuple(data.get("bious", ())),
            ObjectShape(**data["shape"]) if data.get("shape") else None,
            tuple(data.get("undone", ())),
            data.get("picture", ""),
        )


@dataclass(frozen=True)
class DatasetResult:
    """All objects of one data set under one protocol.

    Attributes:
        seconds: spent in ``model``, ``simulation`` (next clicks and IoU) and ``io`` (reading and
            decoding), summed over threads, and in all (``wall``).
        skipped: (id, reason) of samples that could not be evaluated; metrics do not count them.
        thresholds, max_clicks: of the metrics.
    """

    name: str
    fingerprint: str
    objects: tuple[ObjectRecord, ...]
    thresholds: tuple[float, ...]
    max_clicks: int
    seconds: dict[str, float] = field(default_factory=dict)
    skipped: tuple[tuple[str, str], ...] = ()

    @property
    def curves(self) -> list[tuple[float, ...]]:
        return [o.ious for o in self.objects]

    @property
    def metrics(self) -> dict[str, float]:
        return summarise(self.objects, self.thresholds, self.max_clicks)

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "size": len(self.objects),
            "metrics": self.metrics,
            "thresholds": list(self.thresholds),
            "max_clicks": self.max_clicks,
            "seconds": {k: round(v, 3) for k, v in self.seconds.items()},
            "skipped": [list(s) for s in self.skipped],
            "objects": [o.as_json() for o in self.objects],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> DatasetResult:
        return cls(
            data["name"],
            data["fingerprint"],
            tuple(ObjectRecord.from_json(o) for o in data["objects"]),
            tuple(data["thresholds"]),
            data["max_clicks"],
            data["seconds"],
            tuple((i, reason) for i, reason in data["skipped"]),
        )


@dataclass(frozen=True)
class RunResult:
    """One evaluation run: a checkpoint under a protocol on some data sets."""

    protocol: dict[str, Any]
    checkpoint: dict[str, Any]
    datasets: tuple[DatasetResult, ...]
    environment: dict[str, str] = field(default_factory=dict)
    model_name: str = ""

    @classmethod
    def of(
        cls,
        protocol: Protocol,
        checkpoint: dict[str, Any],
        datasets: Sequence[DatasetResult],
        model_name: str,
    ) -> RunResult:
        named = {"name": protocol.name, "version": protocol.version}
        named["changes"] = list(protocol.changes)
        return cls(named, checkpoint, tuple(datasets), environment(), model_name)

    @property
    def protocol_label(self) -> str:
        changes = ", ".join(self.protocol.get("changes") or [])
        suffix = f" ({changes})" if changes else ""
        return f"{self.protocol['name']} v{self.protocol['version']}{suffix}"

    def save(self, path: str | Path) -> None:
        """Write the file, whole or not at all."""
        data = {
            "schema": SCHEMA,
            "model_name": self.model_name,
            "protocol": self.protocol,
            "checkpoint": self.checkpoint,
            "environment": self.environment,
            "datasets": [d.as_json() for d in self.datasets],
        }
        with replacing(path) as partial:
            partial.write_text(json.dumps(data, indent=1))

    @classmethod
    def load(cls, path: str | Path) -> RunResult:
        """Read a result file.

        Raises:
            IsegmError: the file is missing, not a result file, of an unknown schema, or says what
                cannot be: an IoU of 5, more IoUs than clicks, an object twice.
        """
        if not Path(path).exists():
            raise IsegmError(
                f"there is no result file {path}; isegm evaluate --save-json writes one"
            )
        data = read_json(path, "result file")
        schema = data.get("schema", SCHEMA) if isinstance(data, dict) else SCHEMA
        if schema != SCHEMA:
            raise IsegmError(
                f"{path} has result schema {schema!r:.60}, this version of isegm reads {SCHEMA}"
            )
        check_result(data, str(path))
        return cls(
            data["protocol"],
            data["checkpoint"],
            tuple(DatasetResult.from_json(d) for d in data["datasets"]),
            data["environment"],
            data.get("model_name", ""),
        )


def environment() -> dict[str, str]:
    """Versions and device, on which numbers may depend."""
    device = platform.processor() or platform.machine()
    if torch.cuda.is_available():
        device = torch.cuda.get_device_name()
    return {
        "isegm": isegm.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "opencv": cv2.__version__,
        "numpy": np.__version__,
        "device": device,
        "threads": str(torch.get_num_threads()),
    }
