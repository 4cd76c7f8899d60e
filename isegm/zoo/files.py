"""One file of the zoo: here, or downloaded, and compared with the published one either way."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pooch
from easydict import EasyDict
from filelock import FileLock

from isegm.core.errors import IsegmError
from isegm.utils.config import absolute
from isegm.zoo import hashes, hub
from isegm.zoo.archives import require_room
from isegm.zoo.entries import Entry, Remote
from isegm.zoo.hashes import check
from isegm.zoo.transfer import Patience, Transfer, Unavailable, discard, part_of

log = logging.getLogger("isegm")


def weights_folder(cfg: EasyDict) -> Path:
    """Where files with weights are kept: WEIGHTS_PATH of config.yml, or ``weights`` beside it."""
    return absolute(cfg, str(cfg.get("WEIGHTS_PATH", "weights")))


def fetch_file(
    asked: Entry, remote: Remote, target: Path, patience: Patience | None = None
) -> Path:
    """Download one file of an entry; the target appears whole and compared, or not at all.

    Raises:
        IsegmError: as ``fetch``.
    """
    if not remote.addresses:
        raise IsegmError(by_hand(asked, remote, target))
    with locked(target):
        if target.is_file():  # another process was quicker
            check(target, remote)
        else:
            address = _download(asked, remote, target, patience or Patience())
            log.info("%s", check(target, remote, address))
    return target


def _download(asked: Entry, remote: Remote, target: Path, patience: Patience) -> str:
    """Download from the first address that gives the file; which one that was."""
    _announce(asked, remote, target)
    failures: list[str] = []
    for address in remote.addresses:
        try:
            _from_address(remote, address, target, patience)
            return address
        except Unavailable as error:
            log.info("%s: %s", address, error)
            failures.append(f"{address}: {error}")
    raise IsegmError(_nowhere(asked, remote, target, failures))


def by_hand(asked: Entry, remote: Remote, target: Path) -> str:
    """What to do about a file that no address names."""
    what = f"{remote.called or remote.file!r}"
    known = "its hash is known and will be compared"
    if not remote.hash:
        known = "its sha256 is recorded at its first use and compared afterwards"
    after = f"save it as {target}, and use the same name; {known}"
    if asked.kind == "dataset":
        after = f"put it into {target} and repeat the command"
        if asked.key:
            after += f", or write where it is under {asked.key} in config.local.yml"
    note = f" ({asked.note})" if asked.note else ""
    return (
        f"{asked.name} cannot be downloaded by a command, for no address names the file: get"
        f" {what} at {asked.page}, {after}{note}"
    )


class _Resuming:
    """What pooch downloads with: resumes, and compares before pooch moves the file into place."""

    def __init__(self, remote: Remote, target: Path, patience: Patience) -> None:
        self.remote, self.part, self.patience = remote, part_of(target), patience
        self.record = hashes.read_records(target.parent).get(target.name)

    def __call__(self, url: str, output_file: str, _: pooch.Pooch | None) -> None:
        Path(output_file).unlink(missing_ok=True)  # pooch's own, so that a kill leaves nothing
        resumed = self._bring(url)
        wrong = hashes.difference(self.part, self.remote, self.record)
        if wrong and resumed:  # what was there may have been of another version
            discard(self.part)
            self._bring(url)
            wrong = hashes.difference(self.part, self.remote, self.record)
        if wrong:
            discard(self.part)
            raise Unavailable(f"this is not the published file: {wrong}; it was thrown away")
        self.part.replace(output_file)
        discard(self.part)

    def _bring(self, url: str) -> bool:
        """Download into ``part``; whether that continued what was there."""
        if url.startswith(hub.HF):
            hub.copy_from_hub(url, self.part)
        elif url.startswith(hub.DRIVE):
            hub.from_drive(url, self.part)
        else:
            transfer = Transfer(url, self.part, bool(self.remote.hash), self.patience)
            transfer.run()
            return transfer.resumed
        return False


def _from_address(remote: Remote, address: str, target: Path, patience: Patience) -> None:
    pooch.get_logger().setLevel("WARNING")  # what it does is announced here
    store = pooch.create(
        target.parent, "", registry={target.name: None}, urls={target.name: address}
    )
    try:
        store.fetch(target.name, downloader=_Resuming(remote, target, patience))
    except OSError as error:
        raise IsegmError(
            f"{target} cannot be written: {error.strerror or error}; choose another folder with"
            " --to, or change config.yml; what has arrived is kept"
        ) from None


def _announce(asked: Entry, remote: Remote, target: Path) -> None:
    part = part_of(target)
    have = part.stat().st_size if part.exists() else 0
    if remote.size is not None:
        require_room(target.parent, remote.size - have, remote.file)
    about = f" ({remote.size_label})" if remote.size_label else ""
    more = f"; {have:,} bytes of it are here already" if have else ""
    log.info("%s: downloading %s%s to %s%s", asked.name, remote.file, about, target.parent, more)
    log.info("licence: %s; %s", asked.licence or "none stated", asked.page)
    if not remote.tried:
        log.info("(the authors of isegm have not tried this address)")


def _nowhere(asked: Entry, remote: Remote, target: Path, failures: list[str]) -> str:
    kept = ""
    if (part := part_of(target)).exists():
        size = part.stat().st_size
        kept = f" The {size:,} bytes that arrived are kept; the same command resumes there."
    return (
        f"{asked.name}: {remote.file} could not be downloaded. {'; '.join(failures)}.{kept} Or get"
        f" {remote.called or 'it'} at {asked.page or hub.page(remote.addresses[0])} and save it as"
        f" {target}"
    )


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Hold a lock while a file or a data set comes, so that processes that want it do it once."""
    lock = FileLock(target.with_name(f".{target.name}.lock"))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        why = error.strerror or error
        if target.parent.is_file():
            why = f"{target.parent} is a file and no folder"
        raise IsegmError(
            f"{target} cannot be written: {why}; choose another folder with --to, or change"
            " config.yml"
        ) from None
    try:
        yield
        Path(lock.lock_file).unlink(missing_ok=True)  # who waits for it will find the target
    finally:
        lock.release()
