"""The cache of files derived from annotations: one version of each, for the current annotations."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from easydict import EasyDict

from isegm.utils.config import absolute

log = logging.getLogger("isegm")


def cache_folder(cfg: EasyDict) -> Path | None:
    """The folder of the cache, below ``EXPS_PATH``; None if that is not set."""
    return absolute(cfg, str(cfg.EXPS_PATH)) / ".cache" if "EXPS_PATH" in cfg else None


@dataclass(frozen=True)
class Kept:
    """The path of a file or folder derived from sources.

    Attributes:
        folder: the cache.
        name: of the derived data, whatever its sources.
        place: 8 hexadecimal digits, a hash of the sources' paths, so that copies of a data set do
            not replace each other.
        state: 16 hexadecimal digits that change with the size or time of a source, and when one
            appears or disappears.
        suffix: of the file.
    """

    folder: Path
    name: str
    place: str
    state: str
    suffix: str = ""

    @classmethod
    def of(cls, folder: Path, name: str, sources: Sequence[Path], suffix: str = "") -> Kept:
        place, state = hashlib.sha256(), hashlib.sha256(b"2")  # the version of the layout
        for path in sources:
            known = path.stat() if path.exists() else None
            place.update(f"{path.resolve()}\n".encode())
            state.update(f"{path.name} {known and (known.st_size, known.st_mtime_ns)}\n".encode())
        return cls(folder, name, place.hexdigest()[:8], state.hexdigest()[:16], suffix)

    @property
    def path(self) -> Path:
        return self.folder / f"{self.name}_{self.place}_{self.state}{self.suffix}"

    @property
    def lock(self) -> Path:
        """The file to lock while ``path`` is made; the same for all states."""
        return self.folder / f".{self.name}_{self.place}.lock"

    def remove_others(self) -> None:
        """Remove what was derived from earlier states of these sources."""
        for path in self.folder.glob(f"{self.name}_{self.place}_{'?' * 16}{self.suffix}"):
            if path == self.path:
                continue
            log.info("%s: removing %s, made from older annotations", self.name, path)
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
