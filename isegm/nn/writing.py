"""Writing weight files: errors of the disk as such, and a hash that readers check."""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from isegm.core.errors import IsegmError
from isegm.utils.files import replacing

HASH = "content_sha256"  # metadata of a .safetensors file


def save_pytorch(path: str | Path, contents: Any) -> None:
    """``torch.save``, whole or not at all.

    Raises:
        CannotWrite: the disk is full, or writing fails for another reason.
    """
    with replacing(path) as partial, partial.open("wb") as file:
        keeper = _ErrorKeeper(file)
        try:
            torch.save(contents, keeper)
        except RuntimeError:  # "unexpected pos", when a disk fills in the middle
            if keeper.error is None:
                raise
            raise keeper.error from None


def save_safetensors(
    path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    """Write a .safetensors file, whole or not at all, with a hash of its tensors and metadata.

    Raises:
        CannotWrite: the disk is full, or writing fails for another reason.
    """
    described = {key: value for key, value in metadata.items() if key != HASH}
    described[HASH] = content_hash(tensors, described)
    with replacing(path) as partial:
        try:
            save_file(dict(tensors), partial, described)
        except SafetensorError as error:
            number = re.search(r"os error (\d+)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1]))) from None


def check_content(tensors: Mapping[str, Tensor], metadata: Mapping[str, str], path: Path) -> None:
    """Raise IsegmError if a file's content is not what its hash stands for. A file without a hash,
    of other code or of an earlier version, is accepted.
    """
    expected = metadata.get(HASH)
    described = {key: value for key, value in metadata.items() if key != HASH}
    if expected is not None and content_hash(tensors, described) != expected:
        raise IsegmError(
            f"{path} is damaged: its content does not match the hash that was stored with it; fetch"
            " or write it again"
        )


def check_zip(path: Path) -> None:
    """Raise IsegmError if a .pth that torch wrote does not match its own checksums, which
    ``torch.load`` does not look at.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except Exception as error:  # zipfile raises many kinds for a damaged directory
        damaged = str(error)
    if damaged is not None:
        raise IsegmError(
            f"{path} is damaged: a checksum does not match ({damaged}); use another checkpoint"
        )


def content_hash(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """SHA-256 of names, types, shapes and values, in the order of the names."""
    digest = hashlib.sha256()
    for key, value in sorted(metadata.items()):
        digest.update(f"{key!r}={value!r}\n".encode())
    for key, tensor in sorted(tensors.items()):
        digest.update(f"{key!r} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        values = tensor.detach().cpu().contiguous()
        digest.update(values.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


class _ErrorKeeper:
    """A binary file for a writer that hides why it failed; ``error`` is what the disk said."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.error = file, None

    def write(self, data: Any) -> int:
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self.file.flush()
