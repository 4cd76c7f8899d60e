"""Promptable models by name: from a hub, or from a folder on this machine."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isegm.core.errors import IsegmError, unknown
from isegm.foreign.families.base import FAMILIES, Promptable
from isegm.utils.extras import needed
from isegm.utils.files import sha256_of

# Nobody has downloaded from these addresses for this package yet.
NAMES = {
    "sam-base": "facebook/sam-vit-base",
    "sam-large": "facebook/sam-vit-large",
    "sam-huge": "facebook/sam-vit-huge",
    "sam-hq-base": "syscv-community/sam-hq-vit-base",
    "sam-hq-large": "syscv-community/sam-hq-vit-large",
    "sam-hq-huge": "syscv-community/sam-hq-vit-huge",
    "sam2.1-tiny": "facebook/sam2.1-hiera-tiny",
    "sam2.1-small": "facebook/sam2.1-hiera-small",
    "sam2.1-base-plus": "facebook/sam2.1-hiera-base-plus",
    "sam2.1-large": "facebook/sam2.1-hiera-large",
    "edgetam": "yonigozlan/EdgeTAM-hf",
    "sam3": "facebook/sam3",
}
CONFIG = "config.json"
WEIGHTS = "*.safetensors"
SHOWN = 3  # names of tensors in errors


@dataclass(frozen=True)
class Loaded:
    """A promptable model from a folder.

    Attributes:
        sha256: of its weights.
        family: its file in ``isegm/foreign/families``.
    """

    adapter: Promptable
    sha256: str
    family: str


def load(name: str, settings: dict[str, Any]) -> Loaded:
    """Load a promptable model.

    Args:
        name: one of ``NAMES``, ``owner/repository`` on a hub, or a folder that
            ``save_pretrained`` of model and processor wrote.
        settings: of its family, e.g. ``policy``.

    Raises:
        IsegmError: transformers is missing; there is no such model; its family is not known, or
            lacks a setting; or a single tensor is missing, unexpected or of another shape.
    """
    needed("transformers", "foreign", f"foreign:{name}")
    folder = _folder(name)
    family = _family_in(folder)
    made = FAMILIES.part(family)
    known = [p for p in inspect.signature(made).parameters if p not in ("model", "processor")]
    for setting in settings:
        if setting not in known:
            raise unknown(f"setting of {family}", setting, known)
    model, processor = _strictly(made, folder, family)
    weights = sorted(folder.glob(WEIGHTS))
    digests = [sha256_of(path) for path in weights]
    sha256 = (
        digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    )
    return Loaded(made(model, processor, **settings), sha256, family)


def _folder(name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    repository = NAMES.get(name, name)
    if repository.count("/") != 1 or repository.startswith((".", "/", "~")):
        raise unknown("foreign model (no such folder, and no owner/repository)", name, NAMES)
    from huggingface_hub import snapshot_download

    try:
        fetched = snapshot_download(
            repository, allow_patterns=["*.json", WEIGHTS], endpoint=os.environ.get("HF_ENDPOINT")
        )
    except Exception as error:  # its client decides which library connects, and so what is raised
        reason = next((line for line in str(error).splitlines() if line.strip()), "no reason given")
        raise IsegmError(
            f"{repository} cannot be downloaded: {type(error).__name__}: {reason[:200]} Some models"
            " need an account (hf auth login) whose owner has accepted their licence; or give a"
            " folder"
        ) from None
    return Path(fetched)


def _family_in(folder: Path) -> str:
    path = folder / CONFIG
    if not path.is_file():
        raise IsegmError(
            f"{folder} holds no {CONFIG}; expected a folder that save_pretrained of a model and its"
            " processor wrote"
        )
    try:
        kind = json.loads(path.read_text())["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IsegmError(f"{path} names no model_type ({error!r}); fetch it again") from None
    known = {kind: name for name in FAMILIES.names() for kind in FAMILIES.part(name).TYPES}
    if kind not in known:
        raise unknown(f"family of models in {path}", kind, known)
    if not any(folder.glob(WEIGHTS)):
        raise IsegmError(
            f"{folder} holds no {WEIGHTS}; write it with save_pretrained (other formats can"
            " run code)"
        )
    return known[kind]


def _strictly(family: type[Promptable], folder: Path, name: str) -> tuple[Any, Any]:
    """The library's model and processor, with every tensor in its place."""
    transformers = needed("transformers", "foreign", f"foreign:{folder}")
    where = {"local_files_only": True}
    try:
        with _quiet(transformers):
            processor = getattr(transformers, family.PROCESSOR).from_pretrained(folder, **where)
            model, report = getattr(transformers, family.MODEL).from_pretrained(
                folder,
                output_loading_info=True,
                use_safetensors=True,
                ignore_mismatched_sizes=True,  # they are reported, and refused below
                **where,
            )
    except Exception as error:  # the library raises nearly anything for a damaged folder
        reason = next((line for line in str(error).splitlines() if line.strip()), "no reason given")
        raise IsegmError(
            f"{folder} cannot be loaded as {family.MODEL} and {family.PROCESSOR} (family {name}):"
            f" {type(error).__name__}: {reason[:300]}"
        ) from None
    wrong = [
        f"{len(keys)} {kind} ({', '.join(sorted(map(_key, keys))[:SHOWN])})"
        for kind in ("missing", "unexpected", "mismatched")
        if (keys := report[f"{kind}_keys"])
    ]
    if wrong:
        raise IsegmError(
            f"{folder} does not fit {family.MODEL} (family {name}): tensors {'; '.join(wrong)}."
            " With random values in their place its numbers would mean nothing; fetch the model"
            " again, or a version that this transformers knows"
        )
    return model, processor


def _key(key: Any) -> str:
    return key if isinstance(key, str) else str(key[0])


@contextlib.contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Without the library's progress bars and warnings: what matters of them is an error here."""
    log = transformers.utils.logging
    before, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(before)
        if bars:
            log.enable_progress_bar()
