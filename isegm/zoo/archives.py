"""Unpacking zip and tar archives of strangers: nothing is ever written outside of the folder."""

from __future__ import annotations

import gzip
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath

from isegm.core.errors import IsegmError
from isegm.zoo.entries import readable

DEEPEST = 4  # folders around the root of a data set in its archive
LINK = 0o120000  # in the mode of a member of a zip archive


class Damaged(Exception):
    """An archive that cannot be read to its end."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip or (compressed) tar archive into a folder, which is made.

    Raises:
        Damaged: the archive cannot be read.
        IsegmError: a member would end up outside of the folder, or is no file, folder or link
            inside it: then nothing is unpacked; or there is no room.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                _unpack_zip(opened, archive, folder)
        else:
            with tarfile.open(archive) as opened:
                _unpack_tar(opened, archive, folder)
    except (
        zipfile.BadZipFile,
        tarfile.ReadError,
        gzip.BadGzipFile,
        lzma.LZMAError,
        EOFError,
        zlib.error,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise Damaged(f"{archive} cannot be unpacked: {error}") from None
    except OSError as error:
        raise IsegmError(
            f"{archive} cannot be unpacked into {folder}: {error.strerror or error}; make room or"
            " choose another folder, then repeat the command: the archive is kept"
        ) from None


def require_room(folder: Path, needed: int, what: str) -> None:
    """Whether the disk of a folder, which need not exist yet, has this many bytes left.

    Raises:
        IsegmError: it has not.
    """
    place = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise IsegmError(
            f"{what} needs about {readable(needed)}, and {place} has {readable(free)} left; make"
            " room, or name another folder with --to"
        )


def root_in(folder: Path, holds: Iterable[str]) -> Path | None:
    """The folder that has all of some files and folders in it: ``folder``, or one below it."""
    level = [folder]
    for _ in range(DEEPEST + 1):
        for place in level:
            if all((place / name).exists() for name in holds):
                return place
        level = [child for place in level for child in sorted(place.iterdir()) if child.is_dir()]
    return None


def merge(source: Path, target: Path) -> None:
    """Move everything in a folder to another one; what is already there stays untouched."""
    target.mkdir(parents=True, exist_ok=True)
    for child in sorted(source.iterdir()):
        place = target / child.name
        if child.is_dir() and place.is_dir():
            merge(child, place)
        elif not place.exists():
            child.replace(place)


def _unpack_zip(opened: zipfile.ZipFile, archive: Path, folder: Path) -> None:
    members = opened.infolist()
    for member in members:
        _refuse_outside(member.filename, archive)
        if (member.external_attr >> 16) & 0o170000 == LINK:
            raise _refused(member.filename, archive, "is a link")
    require_room(folder, sum(member.file_size for member in members), f"unpacking {archive.name}")
    opened.extractall(folder)


def _unpack_tar(opened: tarfile.TarFile, archive: Path, folder: Path) -> None:
    if not hasattr(tarfile, "data_filter"):
        raise IsegmError(
            f"this Python cannot unpack {archive} safely; update it to 3.10.12, 3.11.4 or newer,"
            " or unpack the archive by hand"
        )
    members = opened.getmembers()
    while opened.fileobj.read(1 << 20):  # to the end, where gzip compares its checksum
        pass
    for member in members:
        _refuse_outside(member.name, archive)
    require_room(folder, sum(member.size for member in members), f"unpacking {archive.name}")
    try:
        for member in members:
            tarfile.data_filter(member, str(folder))
        opened.extractall(folder, members, filter="data")
    except tarfile.FilterError as error:
        raise IsegmError(f"{archive} is refused, and nothing is unpacked: {error}") from None


def _refuse_outside(name: str, archive: Path) -> None:
    parts = {*PurePosixPath(name).parts, *PureWindowsPath(name).parts}
    absolute = PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive
    if absolute or ".." in parts:
        raise _refused(name, archive, "would be written outside of the folder")


def _refused(name: str, archive: Path, why: str) -> IsegmError:
    return IsegmError(
        f"{archive} is refused, and nothing is unpacked: its member {name!r} {why}; get the archive"
        " elsewhere"
    )
