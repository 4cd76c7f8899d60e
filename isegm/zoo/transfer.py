"""One file from one HTTP address: resumed where it was interrupted, retried, and never half there.

What arrived is kept as ``<file>.part`` beside the target, and ``<file>.part.json`` says which
version of which file it is a part of.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from tqdm import tqdm
from urllib3.exceptions import HTTPError, ReadTimeoutError

from isegm.core.errors import IsegmError

BLOCK = 1 << 14  # of a connection that breaks off, the block under way is lost
SILENT = "the server went silent"
PAGES = ("text/html", "application/xhtml+xml")


@dataclass(frozen=True)
class Patience:
    """How long a download waits.

    Attributes:
        connect: seconds for a connection.
        silence: seconds without a byte before a connection counts as broken.
        tries: connections in a row that bring no byte, before an address is given up.
        pause: seconds between two of them.
    """

    connect: float = 15
    silence: float = 60
    tries: int = 4
    pause: float = 2


class Unavailable(Exception):
    """An address does not give the file; another one may."""


class _Broken(Exception):
    """A connection that was worth another try."""


def part_of(target: Path) -> Path:
    """Where the beginning of a file is kept until it is whole."""
    return target.with_name(target.name + ".part")


def discard(part: Path) -> None:
    """Throw away the beginning of a file."""
    part.unlink(missing_ok=True)
    _notes(part).unlink(missing_ok=True)


class Transfer:
    """Brings the rest of a file.

    Args:
        address: ``http://`` or ``https://``.
        part: where the file is collected; what is there already is not fetched again.
        checked: whether the hash of the whole is compared afterwards. If not, what is there is
            continued only if the server proves that the file is still the same.
    """

    def __init__(self, address: str, part: Path, checked: bool, patience: Patience) -> None:
        self.address = address
        self.part = part
        self.checked = checked
        self.patience = patience
        self.resumed = False

    def run(self) -> None:
        """Leave the whole file in ``part``.

        Raises:
            Unavailable: the server is not there, has no such file, or breaks off too often.
            IsegmError: the file cannot be written.
        """
        failures = 0
        while True:
            before = self._have()
            try:
                if self._connect():
                    return
                reason = "the connection ended too early"
            except _Broken as error:
                reason = str(error)
            failures = 1 if self._have() > before else failures + 1
            if failures >= self.patience.tries:
                raise Unavailable(reason)
            time.sleep(self.patience.pause)

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _connect(self) -> bool:
        """One connection; whether the file is whole now."""
        have, notes = self._have(), _read_notes(self.part)
        headers = {"Accept-Encoding": "identity"}  # bytes are counted, so they come as they are
        if have and (self.checked or notes.get("version")):
            headers["Range"] = f"bytes={have}-"
            if not self.checked:
                headers["If-Range"] = notes["version"]
        limits = (self.patience.connect, self.patience.silence)
        try:
            with requests.get(self.address, stream=True, headers=headers, timeout=limits) as answer:
                return self._receive(answer, have if "Range" in headers else 0)
        except requests.TooManyRedirects:
            raise Unavailable("it redirects in a circle") from None
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema):
            raise Unavailable("this is no address") from None
        except requests.RequestException as error:
            raise _Broken(_reason(error)) from None

    def _receive(self, answer: requests.Response, have: int) -> bool:
        if answer.status_code == 416:  # there is nothing after what we have
            return self._whole_already(answer, have)
        if answer.status_code in (408, 429) or answer.status_code >= 500:
            raise _Broken(f"the server answers {answer.status_code} ({answer.reason})")
        if not answer.ok:
            raise Unavailable(f"the server answers {answer.status_code} ({answer.reason})")
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind in PAGES:
            raise Unavailable("it answers with a web page, not with a file")
        start, total = _extent(answer)
        if start not in (0, have):
            raise _Broken("the server answers with another part of the file")
        self.resumed = self.resumed or start > 0
        self._write(answer, start, total)
        return total is None or self._have() == total

    def _whole_already(self, answer: requests.Response, have: int) -> bool:
        total = answer.headers.get("Content-Range", "").rpartition("/")[2]
        if total == str(have):
            self.resumed = True
            return True
        discard(self.part)  # longer than the file: it is part of something else
        return False

    def _write(self, answer: requests.Response, start: int, total: int | None) -> None:
        try:
            self.part.parent.mkdir(parents=True, exist_ok=True)
            with self.part.open("ab" if start else "wb") as file:
                _notes(self.part).write_text(
                    json.dumps({"address": self.address, "version": _version(answer)})
                )
                with tqdm(
                    desc=self.part.stem,
                    initial=start,
                    total=total,
                    unit="B",
                    unit_scale=True,
                    unit_divisor=1024,
                    leave=False,
                    disable=None,
                ) as bar:
                    # As sent: some servers call an archive the compressed form of another file.
                    for block in answer.raw.stream(BLOCK, decode_content=False):
                        file.write(block)
                        bar.update(len(block))
        except ReadTimeoutError:
            raise _Broken(SILENT) from None
        except HTTPError:
            raise _Broken("the connection broke off") from None
        except OSError as error:
            raise IsegmError(
                f"{self.part} cannot be written: {error.strerror or error}; make room or choose"
                " another folder, then repeat the command: what has arrived is kept"
            ) from None


def _extent(answer: requests.Response) -> tuple[int, int | None]:
    """Where an answer begins in the file, and how long the file is, if the server says so."""
    if answer.status_code == 206:
        try:
            extent, total = answer.headers["Content-Range"].split(" ")[-1].split("/")
            return int(extent.split("-")[0]), None if total == "*" else int(total)
        except (KeyError, ValueError):
            raise Unavailable("it answers with a part of the file and does not say which") from None
    length = answer.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _version(answer: requests.Response) -> str:
    """What tells one version of the file from the next, as ``If-Range`` takes it; often empty."""
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, requests.ReadTimeout):
        return SILENT
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not accepted"
    if isinstance(error, requests.ConnectionError):
        return "no connection to the server"
    return f"{type(error).__name__}: {error}"


def _notes(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _read_notes(part: Path) -> dict[str, Any]:
    try:
        notes = json.loads(_notes(part).read_text())
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}
