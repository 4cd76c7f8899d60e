"""Is a file the published one? Known hashes, and those recorded at the first download."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pooch

from isegm.core.errors import IsegmError
from isegm.utils.files import replacing
from isegm.zoo.entries import Remote

RECORDS = "downloads.json"  # beside the files it speaks of
BLOCK = 1 << 20
LEAST = 0.5  # of the stated size: less is an error page or half a file


def digest(path: Path, kind: str) -> str:
    """A hash of a file in hexadecimal.

    Args:
        kind: ``"sha256"``, ``"md5"``, or ``"git"``, as git names the content of files: the sha1 of
            ``blob <bytes>``, a zero byte, and the content.
    """
    if kind != "git":
        return pooch.file_hash(str(path), kind)
    sha1 = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            sha1.update(block)
    return sha1.hexdigest()


def difference(path: Path, remote: Remote, record: Mapping[str, Any] | None = None) -> str:
    """How a file differs from the published one, or from what was recorded of it; empty if it does
    not.

    Args:
        record: of ``read_records``; looked at only if the hash of the published file is not known.
    """
    size = path.stat().st_size
    if remote.exact and size != remote.size:
        return f"it has {size:,} bytes, and the published file has {remote.size:,}"
    if remote.hash:
        kind, _, expected = remote.hash.partition(":")
        own = digest(path, kind)[: len(expected)]
        return "" if own == expected.lower() else f"its {kind} hash is {own}, expected {expected}"
    if remote.size is not None and size < LEAST * remote.size:
        return f"it has {size:,} bytes, and its project states {remote.size_label}"
    if record and (own := digest(path, "sha256")) != record["sha256"]:
        return (
            f"its sha256 is {own[:16]}, and {record['sha256'][:16]} was recorded on"
            f" {record['date']} in {RECORDS} beside it; if its authors replaced the file, delete"
            " that record"
        )
    return ""


def check(path: Path, remote: Remote, address: str = "") -> str:
    """Compare a file that is here with the published one, or, where its hash is not known, with
    what was recorded when it was used first.

    Args:
        address: where it comes from, for the record.

    Returns:
        A sentence on how far the file can be trusted.

    Raises:
        IsegmError: it is another file.
    """
    record = read_records(path.parent).get(path.name)
    if wrong := difference(path, remote, record):
        raise IsegmError(
            f"{path} is not the published file: {wrong}; move it away and repeat the command, or"
            " name its path to use it all the same"
        )
    if remote.hash:
        kind = remote.hash.partition(":")[0]
        return f"{path.name}: its {kind} hash is that of the published file"
    if record:
        return f"{path.name}: its sha256 is the one recorded on {record['date']}"
    own = digest(path, "sha256")
    try:
        _record(path, own, address)
    except OSError as error:
        return (
            f"{path.name}: nobody published its hash, and its sha256, {own[:16]}, cannot be"
            f" recorded: {error.strerror or error}"
        )
    return (
        f"{path.name}: nobody published its hash; its sha256, {own[:16]}, is recorded in"
        f" {path.with_name(RECORDS)} and compared from now on (trust on first use)"
    )


def forget(path: Path) -> None:
    """Delete the record of a file that proved to be damaged."""
    records = read_records(path.parent)
    if records.pop(path.name, None):
        _write(path.with_name(RECORDS), records)


def read_records(folder: Path) -> dict[str, Any]:
    """What was downloaded to a folder without a known hash: by file name, its ``sha256``,
    ``bytes``, ``address`` and ``date``.

    Raises:
        IsegmError: the file of records is damaged.
    """
    path = folder / RECORDS
    if not path.is_file():
        return {}
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
        _ = [(each["sha256"], each["date"]) for each in records.values()]
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise IsegmError(
            f"{path}, which holds the hashes of downloads, is damaged ({error!r}); restore or"
            " delete it"
        ) from None
    return records


def _record(path: Path, sha256: str, address: str) -> None:
    new = {
        "sha256": sha256,
        "bytes": path.stat().st_size,
        "address": address,
        "date": datetime.date.today().isoformat(),
    }
    _write(path.with_name(RECORDS), read_records(path.parent) | {path.name: new})


def _write(path: Path, records: Mapping[str, Any]) -> None:
    with replacing(path) as partial:
        partial.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")
