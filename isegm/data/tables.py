"""Annotation tables of large data sets, shared by data workers and training processes."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from isegm.data.cache import Kept

try:
    import fcntl
except ImportError:  # Windows: processes that start together each make the tables
    fcntl = None

log = logging.getLogger("isegm")


class Ragged:
    """A read-only list of number arrays of unequal length, stored end to end.

    A list of millions of small Python objects is copied into every data worker, sooner (spawn) or
    later (fork, as reference counts are written). This is two tensors: forked workers share their
    pages, spawned ones their shared memory. If mapped from files, all processes of a machine share
    them, and a pickle holds only the path of the files.
    """

    def __init__(self, rows: Iterable[Sequence[float]], dtype: np.dtype | type) -> None:
        rows = [np.asarray(row, dtype) for row in rows]
        self._folder: Path | None = None
        self._values = torch.from_numpy(np.concatenate([*rows, np.empty(0, dtype)]))
        self._ends = torch.from_numpy(np.cumsum([0, *(len(row) for row in rows)], dtype=np.int64))

    @classmethod
    def mapped(cls, folder: Path) -> Ragged:
        """Open what ``save`` wrote, without reading it."""
        table = cls.__new__(cls)
        table.__setstate__({"_folder": folder})
        return table

    def save(self, folder: Path) -> None:
        """Write the numbers into a new folder."""
        folder.mkdir(parents=True)
        np.save(folder / "values.npy", self._values.numpy())
        np.save(folder / "ends.npy", self._ends.numpy())

    def values(self) -> np.ndarray:
        """All rows, one after the other."""
        return self._values.numpy()

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> np.ndarray:
        return self._values[int(self._ends[index]) : int(self._ends[index + 1])].numpy()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ if self._folder is None else {"_folder": self._folder}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._folder is not None:
            self._values, self._ends = (
                _mapped(self._folder / f"{name}.npy") for name in ("values", "ends")
            )


class Texts:
    """A read-only list of strings, stored as ``Ragged``."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._bytes = Ragged((np.frombuffer(text.encode(), np.uint8) for text in texts), np.uint8)

    @classmethod
    def mapped(cls, folder: Path) -> Texts:
        table = cls.__new__(cls)
        table._bytes = Ragged.mapped(folder)
        return table

    def save(self, folder: Path) -> None:
        self._bytes.save(folder)

    def __len__(self) -> int:
        return len(self._bytes)

    def __getitem__(self, index: int) -> str:
        return self._bytes[index].tobytes().decode()

    def __iter__(self) -> Iterator[str]:
        return (self[index] for index in range(len(self)))


Tables = dict[str, "Ragged | Texts"]
KINDS = {kind.__name__: kind for kind in (Ragged, Texts)}


def kept_tables(
    cache: Path | None, name: str, sources: Sequence[Path], build: Callable[[], Tables]
) -> Tables:
    """Make tables once, and from then on open them memory-mapped in every process.

    Of several processes that ask at the same time, the first makes them and the others wait, so
    large annotation files are parsed once per machine and held by no process.

    Args:
        cache: the folder to keep them in; None makes them in memory.
        name: of the folder in it.
        sources: the files they are made from. When one changes its path, size or time, the tables
            are made again and the old ones removed.
        build: makes them.
    """
    if cache is None:
        return build()
    kept = Kept.of(cache, name, sources)
    folder, tables = kept.path, None
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(kept.lock):
            if not folder.exists():
                log.info("%s: making annotation tables", name)
                tables = build()
                _write(tables, folder)
                tables = None  # from now on they are read from the files
                kept.remove_others()
    except OSError as error:
        log.warning(
            "%s: tables cannot be kept in %s (%s); every process holds its own", name, cache, error
        )
        return build() if tables is None else tables
    kinds = json.loads((folder / "kinds.json").read_text())
    return {key: KINDS[kind].mapped(folder / key) for key, kind in kinds.items()}


def _write(tables: Tables, folder: Path) -> None:
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        for key, table in tables.items():
            table.save(partial / key)
        (partial / "kinds.json").write_text(
            json.dumps({key: type(table).__name__ for key, table in tables.items()})
        )
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _mapped(path: Path) -> Tensor:
    # Copy on write, since tensors cannot be read-only. Nobody writes, so all processes share the
    # pages of the file.
    return torch.from_numpy(np.load(path, mmap_mode="c"))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        if fcntl is not None:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def paint_layers(
    masks: Sequence[np.ndarray], height: int, width: int
) -> tuple[list[np.ndarray], list[tuple[int, int]]]:
    """Draw objects that may overlap into few label layers: greedily, large objects first.

    Args:
        masks: ``H W`` uint8 arrays, nonzero = object.

    Returns:
        At least one ``H W`` uint8 layer, and the (layer, label) of every mask in the order given.
    """
    layers, counts = [np.zeros((height, width), np.uint8)], [0]
    places: list[tuple[int, int]] = [(0, 0)] * len(masks)
    areas = [cv2.countNonZero(mask) for mask in masks]
    for index in sorted(range(len(masks)), key=lambda i: -areas[i]):
        x, y, w, h = cv2.boundingRect(masks[index])
        window = np.s_[y : y + h, x : x + w]
        part = masks[index][window].astype(bool)
        free = (
            i for i, layer in enumerate(layers) if counts[i] < 255 and not layer[window][part].any()
        )
        chosen = next(free, None)
        if chosen is None:
            layers.append(np.zeros((height, width), np.uint8))
            counts.append(0)
            chosen = len(layers) - 1
        counts[chosen] += 1
        layers[chosen][window][part] = counts[chosen]
        places[index] = (chosen, counts[chosen])
    return layers, places
