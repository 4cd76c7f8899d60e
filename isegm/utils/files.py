"""Writing files completely or not at all; and checksums."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from isegm.core.errors import IsegmError

YAML_DEPTH, YAML_VALUES = 50, 100_000
WRITING = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM,
     errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP}
)  # fmt: skip


class CannotWrite(IsegmError):
    """An output that cannot be written, and why (``reason``)."""

    def __init__(self, path: str | Path, reason: str) -> None:
        self.reason = reason
        advice = "free space there, or choose another place for the output"
        super().__init__(f"cannot write {path}: {reason}; {advice}")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path to write to, which replaces ``path`` at the end of the block unless an
    error is raised.

    The folder is made if there is none. Readers of ``path`` see the old file or the new one, never
    a part. The file has the permissions that the umask gives, whatever writes it.

    Raises:
        CannotWrite: the disk is full, the folder is read-only, ``path`` is a folder, and the like.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        check_output(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()
        mode = partial.stat().st_mode
        yield partial
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.chmod(stat.S_IMODE(mode))  # safetensors makes files that only the owner can read
        os.replace(partial, path)
    except OSError as error:
        named = {str(partial), str(path), *map(str, path.parents), "None"}
        if error.errno not in WRITING or str(error.filename) not in named:
            raise  # of something else that the block did
        raise CannotWrite(path, error.strerror or str(error)) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def check_output(path: str | Path) -> None:
    """Raise CannotWrite unless a file could be written there; leaves nothing behind.

    To be called before long work whose result goes there.
    """
    path = Path(path)
    if path.is_dir():
        raise CannotWrite(path, "it is a folder; expected the name of a file")
    folder = next((each for each in path.absolute().parents if each.exists()), None)
    if folder is None or not folder.is_dir():
        raise CannotWrite(path, f"{folder} is not a folder")
    probe = folder / f".{os.getpid()}.probe"
    try:  # not os.access, which knows nothing of read-only disks
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise CannotWrite(path, error.strerror or str(error)) from error


def read_json(path: str | Path, what: str) -> Any:
    """The content of a JSON file; ``what`` it should be is for messages.

    Raises:
        IsegmError: it cannot be read, or is no JSON in UTF-8.
    """
    try:
        return json.loads(Path(path).read_bytes().decode("utf-8"))
    except OSError as error:
        raise IsegmError(f"{what} {path} cannot be read: {error.strerror or error}") from None
    except RecursionError:
        raise IsegmError(f"{path} is no {what}: its JSON is nested too deeply") from None
    except ValueError as error:  # UnicodeDecodeError is one
        raise IsegmError(f"{path} is no {what}: not JSON in UTF-8 ({error})") from None


def read_yaml(path: str | Path) -> Any:
    """The content of a YAML file.

    Raises:
        IsegmError: it cannot be read, is no YAML in UTF-8, or grows beyond all measure: anchors can
            make a few lines stand for billions of values, or for themselves.
    """
    try:
        values = yaml.safe_load(Path(path).read_bytes().decode("utf-8"))
    except OSError as error:
        raise IsegmError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise IsegmError(f"{path} cannot be read: it is not UTF-8 ({error}); save it so") from None
    except RecursionError:
        raise IsegmError(f"{path} cannot be read as YAML: it is nested too deeply") from None
    except (ValueError, yaml.YAMLError) as error:
        raise IsegmError(f"{path} cannot be read as YAML: {error}") from None
    left, count = [(values, 0)], 0
    while left:
        value, depth = left.pop()
        count += 1
        if depth > YAML_DEPTH or count > YAML_VALUES:
            raise IsegmError(
                f"{path} stands for more than {YAML_VALUES:,} values or {YAML_DEPTH} levels; does"
                " an anchor (&name, *name) hold itself?"
            )
        inner = value.values() if isinstance(value, dict) else value
        if isinstance(value, (dict, list)):
            left += [(each, depth + 1) for each in inner]
    return values


def sha256_of(path: str | Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
