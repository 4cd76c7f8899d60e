"""Where things that are made from annotations are kept: one version of each, that of the
annotations as they are now.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from easydict import EasyDict

from isegm.utils.config import absolute

log = logging.getLogger("isegm")


def cache_folder(cfg: EasyDict) -> Path | None:
    """The folder for all of them: below ``EXPS_PATH``; None without one."""
    return absolute(cfg, str(cfg.EXPS_PATH)) / ".cache" if "EXPS_PATH" in cfg else None


@dataclass(frozen=True)
class Kept:
    """The place of a file or folder that is made from sources.

    Attributes:
        folder: where it is kept.
        name: what it is called, whatever its sources.
        place: 8 hexadecimal digits, of where the sources are. Copies of a data set do not take each
            other's place.
        state: 16 hexadecimal digits that change when a source changes its size or time, appears or
            disappears.
        suffix: of the file.
    """

    folder: Path
    name: str
    place: str
    state: str
    suffix: str = ""

    @classmethod
    def of(cls, folder: Path, name: str, sources: Sequence[Path], suffix: str = "") -> Kept:
        place, state = hashlib.sha256(), hashlib.sha256(b"2")  # of this layout
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
        """A file to lock while ``path`` is made; the same for all states."""
        return self.folder / f".{self.name}_{self.place}.lock"

    def remove_others(self) -> None:
        """Remove what was made of earlier states of these sources, and by earlier versions of this
        package of any.
        """
        # Earlier versions of this package kept no place.
        other = re.compile(
            rf"{re.escape(self.name)}_(?:{self.place}_)?[0-9a-f]{{16}}{re.escape(self.suffix)}"
        )
        for path in self.folder.iterdir():
            if path == self.path or not other.fullmatch(path.name):
                continue
            log.info("%s: removing %s, which was made of other annotations", self.name, path)
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
