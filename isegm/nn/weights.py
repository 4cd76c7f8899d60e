"""Weight files: reading untrusted ones, renaming their keys, and loading them strictly."""

from __future__ import annotations

import logging
import threading
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from isegm.core.errors import IsegmError
from isegm.nn.writing import check_content, check_zip

log = logging.getLogger("isegm")

SHOWN = 10  # keys of each kind that an error names
HUB = "hub:"
# A norm's counter of batches. Nothing here uses it, and files converted from MXNet lack it (f-BRS'
# ResNets).
COUNTER = "num_batches_tracked"
STATISTICS = ("running_mean", "running_var")
READING = threading.Lock()
UNPACKED = 100  # times the size of a file


class StandIn:
    """Replaces a Python object in a weight file: it accepts anything and does nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def read_weights(path: str | Path, stand_ins: Iterable[str] = ()) -> dict[str, Any]:
    """Read a weight file, PyTorch (zip or legacy) or safetensors by its content, not its name.

    Nothing in the file is executed: PyTorch files are read with ``weights_only=True``.

    Args:
        stand_ins: full names of classes and functions that a PyTorch file may mention; each is read
            as a ``StandIn`` and not imported.

    Returns:
        The top level of the file, on the CPU; for safetensors ``{"state_dict": ..., "metadata":
        ...}``.

    Raises:
        IsegmError: the file does not exist, is incomplete, or is not a weight file.
    """
    path = Path(path)
    if not path.is_file():
        raise IsegmError(f"there is no weight file {path}")
    with path.open("rb") as file:
        head = file.read(512)
    if head.lstrip()[:1] == b"<":
        raise IsegmError(
            f"{path} is a web page, not weights: the download failed; fetch the file itself"
        )
    if head.startswith(b"version https://git-lfs"):
        raise IsegmError(f"{path} is a Git LFS pointer, not weights: run 'git lfs pull'")
    try:
        contents = _read_safetensors(path) if head[8:9] == b"{" else _read_pytorch(path, stand_ins)
    except IsegmError:
        raise
    except Exception as error:  # a broken or foreign file can make the readers raise anything
        reason = str(error).strip().partition("\n")[0]
        raise IsegmError(
            f"{path} ({path.stat().st_size} bytes) cannot be read as weights: it is incomplete, or"
            f" no file of tensors ({type(error).__name__}: {reason:.160}); fetch it again"
        ) from error
    if not isinstance(contents, Mapping):
        raise IsegmError(
            f"{path} holds a {type(contents).__name__}; expected a dictionary of tensors"
        )
    if "isegm" in contents:  # a training checkpoint of this package
        check_zip(path)
    return dict(contents)


def state_dict_of(contents: Mapping[str, Any], path: str | Path) -> dict[str, Tensor]:
    """The tensors in the output of ``read_weights``: the dictionary itself, or its entry
    ``state_dict`` or ``model``.
    """
    tensors = contents.get("state_dict", contents.get("model", contents))
    named = isinstance(tensors, Mapping) and all(
        isinstance(k, str) and isinstance(v, Tensor) for k, v in tensors.items()
    )
    if not (named and tensors):
        raise IsegmError(
            f"{path} holds no state dict; its entries are"
            f" {', '.join(map(str, list(contents)[:SHOWN])) or 'none'}"
        )
    return dict(tensors)


def pretrained_tensors(source: str | Path) -> dict[str, Tensor]:
    """The tensors of a weight file, or with ``"hub:NAME"`` those of timm's model NAME, from its
    hub.

    Raises:
        IsegmError: the file cannot be read; timm is missing or does not know the name; or the hub
            cannot be reached.
    """
    if not str(source).startswith(HUB):
        return state_dict_of(read_weights(source), source)
    name = str(source)[len(HUB) :]
    advice = "fetch the weights elsewhere and put their path under PRETRAINED in config.yml"
    try:
        import timm
    except (ImportError, RuntimeError) as error:  # RuntimeError: torchvision does not match torch
        raise IsegmError(
            f"{source} needs timm, which cannot be imported ({error}); pip install timm, or"
            f" {advice}"
        ) from None
    if not timm.is_model(name):
        raise IsegmError(
            f"{source}: timm {timm.__version__} knows no model {name!r}; use another name, or"
            f" {advice}"
        )
    try:
        return dict(timm.create_model(name, pretrained=True).state_dict())
    except Exception as error:  # hub, client and network can raise anything
        reason = str(error).strip().partition("\n")[0]
        raise IsegmError(
            f"{source} cannot be fetched ({type(error).__name__}: {reason:.160}); without a"
            f" connection, {advice}"
        ) from error


def finite(model: nn.Module) -> bool:
    """Whether every parameter, and every statistic of a batch norm, is finite; waits for the device
    once.
    """
    statistics = [b for name, b in model.named_buffers() if name.endswith(STATISTICS)]
    tensors = [t.detach() for t in (*model.parameters(), *statistics) if t.numel()]
    if not tensors:
        return True
    norms = torch._foreach_norm(tensors, float("inf"))
    return bool(torch.stack([norm.float() for norm in norms]).isfinite().all())


def load_backbone(
    backbone: nn.Module,
    tensors: Mapping[str, Tensor],
    source: str | Path,
    without: tuple[str, ...] = (),
) -> None:
    """Load the tensors that a classification network shares with a backbone by name; its classifier
    is ignored.

    Args:
        tensors: of the classification network, under the backbone's names.
        source: of the tensors, for messages.
        without: prefixes of parts that no classification network has.

    Raises:
        IsegmError: they share nothing, or a shape differs; the backbone is then unchanged.
    """
    kind, own = type(backbone).__name__, backbone.state_dict()
    shared = {key: value for key, value in tensors.items() if key in own}
    if not shared:
        raise IsegmError(
            f"{source} holds no {kind} weights: none of its {len(tensors)} keys is known, e.g."
            f" {list(tensors)[:3]}"
        )
    if wrong := [key for key, value in shared.items() if value.shape != own[key].shape]:
        key = wrong[0]
        raise IsegmError(
            f"{source} is a {kind} of another size: {len(wrong)} shapes differ, first {key}:"
            f" {_shape(shared[key].shape)} there,"
            f" {_shape(own[key].shape)} in the model; use the weights made for this one"
        )
    backbone.load_state_dict(shared, strict=False)
    expected = [key for key in own if not key.endswith(COUNTER) and not key.startswith(without)]
    if missing := [key for key in expected if key not in shared]:
        log.warning(
            "%s lacks %d tensors of the backbone, e.g. %s",
            source,
            len(missing),
            ", ".join(missing[:3]),
        )
    log.info(
        "loaded %d tensors of %s, ignored %d of its classifier",
        len(shared),
        source,
        len(tensors) - len(shared),
    )


@dataclass(frozen=True)
class KeyMap:
    """Renames parameters between this package and a published code base.

    Attributes:
        pairs: prefixes (here, published); the first match wins, and other names stay unchanged.
        copies: prefixes of published names (kept, copy) under which the original stores one module
            twice; here it exists once.
    """

    pairs: tuple[tuple[str, str], ...] = ()
    copies: tuple[tuple[str, str], ...] = ()

    def to_ours(self, named: Mapping[str, Any]) -> dict[str, Any]:
        """The same values under this package's names.

        Raises:
            IsegmError: the renaming is not reversible (two names become one, or a published name
                looks like one of this package), or copies of one tensor differ.
        """
        return _renamed(self._without_copies(named), self._inverse, self.pairs)

    def to_published(self, named: Mapping[str, Any]) -> dict[str, Any]:
        """The same values under the published names; raises as ``to_ours``."""
        renamed = _renamed(named, self.pairs, self._inverse)
        return renamed | {
            copy: value for key, value in renamed.items() for copy in self._copies_of(key)
        }

    @property
    def _inverse(self) -> list[tuple[str, str]]:
        return [(published, own) for own, published in self.pairs]

    def _copies_of(self, key: str) -> list[str]:
        return [copy + key[len(kept) :] for kept, copy in self.copies if key.startswith(kept)]

    def _without_copies(self, named: Mapping[str, Any]) -> dict[str, Any]:
        dropped: set[str] = set()
        for key, value in named.items():
            for copy in self._copies_of(key):
                if copy in named and not _same(value, named[copy]):
                    raise IsegmError(
                        f"{copy} must be a copy of {key}, since they are one layer, but their"
                        " values differ"
                    )
                dropped.add(copy)
        return {key: value for key, value in named.items() if key not in dropped}


@dataclass(frozen=True)
class KeyReport:
    """The result of comparing the tensors of a file with those of a model."""

    matched: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshaped: tuple[str, ...]

    @property
    def complete(self) -> bool:
        return not (self.missing or self.unexpected or self.misshaped)

    def __str__(self) -> str:
        lines = [f"{self.matched} tensors match"]
        for kind in ("missing", "unexpected", "misshaped"):
            if keys := getattr(self, kind):
                more = f" ... and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
                lines.append(f"{len(keys)} {kind}: {', '.join(keys[:SHOWN])}{more}")
        return "; ".join(lines)


def load_strictly(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    what: str,
    keys: KeyMap | None = None,
    unused: Mapping[str, tuple[int, ...]] | None = None,
) -> KeyReport:
    """Load every tensor of a file into a model that has exactly these.

    Only counters of batch norms may be missing.

    Args:
        what: the file, for the error message.
        keys: how the file's names differ from the model's; the report uses the file's.
        unused: names and shapes of further tensors the file must hold, which the model ignores.

    Raises:
        IsegmError: a tensor is missing, is not known to the model, or has another shape.
    """
    keys = keys or KeyMap()
    unused, state = unused or {}, keys.to_published(model.state_dict())
    own = {key: tuple(value.shape) for key, value in state.items()} | dict(unused)
    misshaped = tuple(
        f"{key} ({_shape(tensors[key].shape)} in the file, {_shape(shape)} in the model)"
        for key, shape in own.items()
        if key in tensors and tensors[key].shape != shape
    )
    counters = {
        key: value for key, value in state.items() if key.endswith(COUNTER) and key not in tensors
    }
    missing = tuple(key for key in own if key not in tensors and key not in counters)
    unexpected = tuple(key for key in tensors if key not in own)
    report = KeyReport(
        len(own) - len(counters) - len(missing) - len(misshaped), missing, unexpected, misshaped
    )
    if not report.complete:
        raise IsegmError(
            f"{what} does not fit the model: {report}; is it complete, and made for this model?"
        )
    used = {key: value for key, value in tensors.items() if key not in unused}
    model.load_state_dict(keys.to_ours(counters | used))
    return report


def _renamed(
    named: Mapping[str, Any], pairs: Iterable[tuple[str, str]], inverse: Iterable[tuple[str, str]]
) -> dict[str, Any]:
    renamed = {key: _rename(key, pairs) for key in named}
    if lost := [key for key, name in renamed.items() if _rename(name, inverse) != key]:
        raise IsegmError(
            f"{len(lost)} keys have no place in the other layout: {', '.join(lost[:SHOWN])}"
        )
    return {renamed[key]: value for key, value in named.items()}


def _same(a: Any, b: Any) -> bool:
    return torch.equal(a, b) if isinstance(a, Tensor) and isinstance(b, Tensor) else a == b


def _rename(key: str, pairs: Iterable[tuple[str, str]]) -> str:
    for prefix, replacement in pairs:
        if key.startswith(prefix):
            return replacement + key[len(prefix) :]
    return key


def _shape(shape: Iterable[int]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _read_pytorch(path: Path, stand_ins: Iterable[str]) -> Any:
    known = [(StandIn, name) for name in stand_ins]
    # A module stored as a Python object holds a set. PyTorch's list of allowed names is global,
    # hence the lock.
    if zipfile.is_zipfile(path):
        _check_unpacked(path)
    with READING, torch.serialization.safe_globals([*known, set]):
        return torch.load(path, map_location="cpu", weights_only=True)


def _check_unpacked(path: Path) -> None:
    """Raise for an archive that is a hundred times as large once unpacked; torch compresses
    nothing.
    """
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > UNPACKED * path.stat().st_size:
        raise IsegmError(f"{path} would take {size >> 20} MiB unpacked; it is damaged or hostile")


def _read_safetensors(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="pt", device="cpu") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        metadata = file.metadata() or {}
    check_content(tensors, metadata, path)
    return {"state_dict": tensors, "metadata": metadata}
