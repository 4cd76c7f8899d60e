"""Files of this package: weights, and the spec that rebuilds their model.

Nothing that a file names is ever imported, except parts of networks in this package.
``isegm.originals.loading`` reads these files and those of other code bases.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from isegm.core.errors import IsegmError, unknown
from isegm.core.registry import Spec, build, is_spec, resolve
from isegm.methods.base import ClickModel
from isegm.methods.bounds import CHARACTERS, building_at_most, bytes_for, check_spec_size
from isegm.methods.old_specs import upgraded, without_unused
from isegm.nn.weights import SHOWN, read_weights, state_dict_of
from isegm.nn.writing import save_safetensors
from isegm.utils.config import absolute, load_config, repository_file
from isegm.zoo.entries import entries
from isegm.zoo.entries import find as find_entry
from isegm.zoo.fetching import fetch, fetch_from_hub, find_here
from isegm.zoo.hub import HF

SCHEMA = 2
READABLE = ("1", "2")  # of files; 1 had click maps as names and numbers, see old_specs.py
UNUSED = "unused."  # prefix of tensors that no layer uses
SUFFIXES = (".safetensors", ".pth", ".pt")
STARTER = "starter"  # the network that comes with the package, see docs/explanation/starter.md
SHIPPED = {STARTER: "assets/starter.safetensors"}
DTYPES = ("fp32", "fp16")
# Kinds of models that are no files of networks, see isegm.foreign.names.
OTHERS = ("foreign", "classical", "plugin")


@dataclass(frozen=True)
class ModelFile:
    """The content of a file of this package.

    Attributes:
        spec: of the model.
        tensors: of the model.
        unused: see ``save_model``.
    """

    spec: Spec
    tensors: dict[str, Tensor]
    unused: dict[str, Tensor] = field(default_factory=dict)


def save_model(
    path: str | Path,
    model: nn.Module,
    spec: Spec,
    extra: Mapping[str, str] | None = None,
    unused: Mapping[str, Tensor] | None = None,
    dtype: str = "fp32",
) -> None:
    """Write weights as .safetensors with the spec that rebuilds the model.

    The file appears whole or not at all.

    Args:
        spec: must describe ``model``.
        extra: additional metadata, e.g. the run it comes from.
        unused: tensors that no layer of the model uses, kept so that another code base's file can
            be restored exactly.
        dtype: "fp32" leaves every tensor unchanged; "fp16" rounds the parameters to half precision,
            which halves the size of the file. Buffers, such as batch norm statistics, are never
            rounded. ``load_model`` makes a float32 network of either.

    Raises:
        IsegmError: an unknown dtype, or a parameter that half precision cannot hold.
    """
    if dtype not in DTYPES:
        raise unknown("dtype of a checkpoint", dtype, DTYPES)
    metadata = {"format": "pt", **(extra or {}), "isegm": str(SCHEMA), "spec": json.dumps(spec)}
    state = model.state_dict() | {UNUSED + key: value for key, value in (unused or {}).items()}
    tensors = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    if dtype == "fp16":
        tensors |= _halved({key: tensors[key] for key, _ in model.named_parameters()})
    save_safetensors(path, tensors, metadata)


def read_metadata(path: str | Path) -> dict[str, str]:
    """The metadata of a .safetensors file, e.g. ``spec`` and ``card``; empty for other files.

    Raises:
        IsegmError: the file cannot be read.
    """
    return dict(read_weights(path).get("metadata", {}))


def add_metadata(path: str | Path, extra: Mapping[str, str]) -> None:
    """Set metadata entries of a .safetensors file; its tensors do not change.

    Raises:
        IsegmError: the file cannot be read, or was not written by ``save_model``.
    """
    contents = read_weights(path)
    metadata = contents.get("metadata", {})
    if "spec" not in metadata:
        raise IsegmError(f"{path} has no spec of its network; run isegm convert first")
    save_safetensors(path, contents["state_dict"], {**metadata, **extra})


def described_by(contents: Mapping[str, Any], path: str | Path) -> ModelFile | None:
    """The content of a file of this package; None if another code base wrote it.

    Args:
        contents: the output of ``read_weights``. From a training checkpoint the EMA weights are
            taken, if it has them.

    Raises:
        IsegmError: a later version of isegm wrote the file, or it is broken.
    """
    metadata = contents.get("metadata", {})
    if "spec" in metadata and "isegm" in metadata:
        return _own_file(metadata["isegm"], metadata["spec"], contents["state_dict"])
    if isinstance(header := contents.get("isegm"), Mapping):
        tensors = {"state_dict": contents.get("ema") or contents.get("model")}
        schema, described = header.get("schema"), contents.get("spec")
        return _own_file(schema, described, state_dict_of(tensors, path))
    return None


def built(described: Spec, tensors: Iterable[Tensor]) -> ClickModel:
    """The model of an untrusted spec.

    Args:
        tensors: the weights that come with it, which limit its size.

    Raises:
        IsegmError: the spec is broken, names anything but parts of networks in this package, does
            not make a method, or makes a network that is larger than its weights.
    """
    check_spec_size(described)
    _check_parts(described)
    try:
        with building_at_most(bytes_for(tensors)):
            model = build(described)
    except (TypeError, ValueError, RuntimeError) as error:
        raise IsegmError(
            "the spec in the checkpoint does not make a model in this version of isegm:"
            f" {error}; load it with the version that wrote it"
        ) from error
    if not isinstance(model, ClickModel):
        kind = type(model).__name__
        raise IsegmError(
            f"the spec in the checkpoint makes a {kind}; expected a method of isegm.methods"
        )
    return model


def find_checkpoint(cfg: Mapping[str, Any], name: str | Path) -> Path:
    """A checkpoint by path, or by name below WEIGHTS_PATH or EXPS_PATH of config.yml, or in the
    zoo, or on a hub.

    ``"starter"`` is the one that comes with the package, wherever that is installed. The suffix may
    be omitted. ``run:name`` looks only in run folders whose names begin with ``run``, as RITM's
    evaluation does. A name of the zoo (``isegm.zoo``, e.g. ``"ritm_h18s_cocolvis"``) is its file in
    WEIGHTS_PATH, and ``hf:owner/repository/file`` one in the hub's cache; they are downloaded if
    they are not there.

    Args:
        cfg: config.yml; an empty one is read if the name calls for it.

    Raises:
        IsegmError: nothing or more than one file has that name, it cannot be downloaded, or it is
            not the published file.
    """
    name = str(name)
    if Path(name).expanduser().is_file():
        return Path(name).expanduser()
    if name in SHIPPED:
        return _shipped(name)
    if name.startswith(HF):
        return fetch_from_hub(name)
    published = find_entry(name, "checkpoint")
    if published:
        cfg = cfg or load_config()
        if name == published.name and (here := find_here(published, cfg)):
            return here
    folders = (absolute(cfg, str(cfg[key])) for key in ("WEIGHTS_PATH", "EXPS_PATH") if key in cfg)
    roots = [folder for folder in folders if folder.is_dir()]
    for root in roots:
        for candidate in (root / name, *(root / f"{name}{suffix}" for suffix in SUFFIXES)):
            if candidate.is_file():
                return candidate
    if name.partition(":")[0] in OTHERS:
        raise IsegmError(
            f"{name} is a model of others: evaluate, robustness, try, demo, speed and Engine take"
            " it, but this needs a checkpoint"
        )
    run, colon, stem = name.rpartition(":")
    files = {file for root in roots for file in root.rglob("*") if file.suffix in SUFFIXES}
    if colon:
        files = {file for file in files if any(part.startswith(run) for part in file.parts[:-1])}
    named = sorted(file for file in files if stem in (file.name, file.stem))
    if len(named) > 1:
        shown = ", ".join(map(str, named[:SHOWN]))
        raise IsegmError(f"checkpoint {name!r} is ambiguous, give a path: {shown}")
    if not named and published:
        return fetch(published.name, cfg)
    if not named:
        missing = "WEIGHTS_PATH and EXPS_PATH of config.yml, which do not exist"
        where = " and ".join(map(str, roots)) or missing
        kind = f"checkpoint (no such file, nothing of that name below {where} or in the zoo)"
        offered = difflib.get_close_matches(name, [each.name for each in entries("checkpoint")])
        raise unknown(kind, name, {*SHIPPED, *(f.stem for f in files), *offered})
    return named[0]


def _shipped(name: str) -> Path:
    path = repository_file(SHIPPED[name])
    if not path.is_file():
        raise IsegmError(f"{path}, which comes with the package, is missing; reinstall isegm")
    return path


def _halved(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    halved = {key: value.half() for key, value in parameters.items()}
    if lost := [key for key, value in halved.items() if not value.isfinite().all()]:
        raise IsegmError(
            f"half precision cannot hold {lost[0]}, its values are too large; use fp32"
        )
    return halved


def _own_file(schema: Any, described: Any, tensors: Mapping[str, Tensor]) -> ModelFile:
    if str(schema) not in READABLE:
        raise IsegmError(
            f"the checkpoint has schema {schema!r}, this version of isegm reads"
            f" {' and '.join(READABLE)}; update isegm"
        )
    unused = {k[len(UNUSED) :]: v for k, v in tensors.items() if k.startswith(UNUSED)}
    tensors = {key: value for key, value in tensors.items() if not key.startswith(UNUSED)}
    try:
        if isinstance(described, str) and len(described) > CHARACTERS:
            raise ValueError(f"{len(described):,} characters, at most {CHARACTERS:,} are accepted")
        described = json.loads(described) if isinstance(described, str) else described
    except (ValueError, RecursionError) as error:
        raise IsegmError(
            f"the spec in the checkpoint is not JSON: {error}; the file is damaged, fetch it again"
        ) from None
    check_spec_size(described)
    try:
        return ModelFile(upgraded(described), without_unused(described, tensors), unused)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise IsegmError(
            f"the spec in the checkpoint describes no network ({error!r}); the file is damaged,"
            " fetch it again"
        ) from None


def _check_parts(described: Any) -> None:
    """An untrusted checkpoint may name networks, but not functions with side effects."""
    if isinstance(described, (list, tuple)):
        for item in described:
            _check_parts(item)
    if not is_spec(described):
        return
    if not (isinstance(described["target"], str) and isinstance(described["args"], Mapping)):
        raise IsegmError(f"the spec in the checkpoint is damaged: {described!r:.200}")
    part = resolve(described["target"])
    if not (isinstance(part, type) and issubclass(part, nn.Module)):
        raise IsegmError(
            f"the spec in the checkpoint names {described['target']}, which is refused: it is not a"
            " part of a network"
        )
    for value in described["args"].values():
        _check_parts(value)
