"""Checkpoints: any file with weights in, a model ready to answer out.

A file of this package carries the spec of its model as JSON. A file of an original code base is recognised by its keys and
shapes: every module in ``isegm.methods`` may offer ``published(shapes, config)`` for that. Nothing that a file names is ever
imported, except parts of networks in this package; ``STAND_INS`` of a method names Python objects that its files may hold.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import isegm.methods
from isegm.core.errors import IsegmError, unknown
from isegm.core.registry import Spec, build, is_spec, resolve
from isegm.methods.base import ClickModel
from isegm.nn.weights import SHOWN, KeyMap, KeyReport, Published, load_strictly, read_weights, state_dict_of
from isegm.utils.config import absolute, repository_file
from isegm.utils.files import replacing, sha256_of

SCHEMA = 1
SUFFIXES = (".safetensors", ".pth", ".pt")
STARTER = "starter"  # the network that comes with the package, see docs/starter.md
SHIPPED = {STARTER: "assets/starter.safetensors"}
DTYPES = ("fp32", "fp16")


@dataclass(frozen=True)
class LoadedModel:
    """A model and where it comes from.

    Attributes:
        model: in eval mode, on the device asked for.
        spec: what ``build`` makes the same network from.
        sha256: of the file.
        path: the file.
        source: the code base that wrote it, ``"isegm"`` or e.g. ``"RITM (published)"``.
        report: how many tensors were matched.
    """

    model: ClickModel
    spec: Spec
    sha256: str
    path: str
    source: str
    report: KeyReport


def load_model(path: str | Path, device: torch.device | str = "cpu") -> LoadedModel:
    """Load a model: our .safetensors, a training checkpoint (its EMA weights, if it has them) or a published .pth.

    Raises:
        IsegmError: the file is missing, broken or foreign, its spec names anything but networks of this package, or a single
            tensor is missing, unexpected or of another shape.
    """
    contents = _contents(path)
    try:
        written, tensors = _interpreted(contents, path)
        model = _built(written.spec)
    except IsegmError as error:
        raise error if str(path) in str(error) else IsegmError(f"{path}: {error}") from error
    report = load_strictly(model, tensors, str(path), written.keys)
    return LoadedModel(model.to(device).eval(), written.spec, sha256_of(path), str(path), written.source, report)


def save_model(
    path: str | Path,
    model: nn.Module,
    spec: Spec,
    extra: Mapping[str, str] | None = None,
    dtype: str = "fp32",
) -> None:
    """Write weights as .safetensors with the spec that rebuilds the model; the file appears whole or not at all.

    Args:
        spec: must describe ``model``.
        extra: further metadata, e.g. the run it comes from.
        dtype: "fp32" keeps every tensor as it is; "fp16" rounds the parameters to half precision,
            for a file of half the size. Buffers, such as the statistics of batch norms, are never
            rounded. ``load_model`` makes a float32 network of either.

    Raises:
        IsegmError: an unknown dtype, or a parameter that half precision cannot hold.
    """
    metadata = {"format": "pt", **(extra or {}), "isegm": str(SCHEMA), "spec": json.dumps(spec)}
    if dtype not in DTYPES:
        raise unknown("dtype of a checkpoint", dtype, DTYPES)
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    if dtype == "fp16":
        tensors |= _halved({key: tensors[key] for key, _ in model.named_parameters()})
    with replacing(path) as partial:
        save_file(tensors, partial, metadata)


def read_metadata(path: str | Path) -> dict[str, str]:
    """The metadata of a .safetensors file, e.g. ``spec`` and ``card``; empty for other files.

    Raises:
        IsegmError: the file cannot be read.
    """
    return dict(read_weights(path).get("metadata", {}))


def add_metadata(path: str | Path, extra: Mapping[str, str]) -> None:
    """Set entries of the metadata of a .safetensors file; not a bit of its tensors changes.

    Raises:
        IsegmError: the file cannot be read, or was not written by ``save_model``.
    """
    contents = read_weights(path)
    metadata = contents.get("metadata", {})
    if "spec" not in metadata:
        raise IsegmError(f"{path} has no spec of its network; run scripts/convert_weights.py first")
    with replacing(path) as partial:
        save_file(contents["state_dict"], partial, {**metadata, **extra})


def spec_of(path: str | Path) -> Spec:
    """The spec of a checkpoint's network: the ``MODEL`` of an experiment that starts from it.

    Args:
        path: a file, or the name of a checkpoint of the package: ``spec_of("starter")``.

    Raises:
        IsegmError: as ``load_model``.
    """
    path = find_checkpoint({}, path)
    return _interpreted(_contents(path), path)[0].spec


def save_published(path: str | Path, loaded: LoadedModel) -> None:
    """Write a .pth that the method's original code base reads.

    Raises:
        IsegmError: the original code base has no such model.
    """
    layouts = [layout for publish in _hooks("publish") if (layout := publish(loaded.spec))]
    if not layouts:
        raise IsegmError(f"{loaded.path}: no original code base has a model like this one, so it cannot be written as .pth")
    layout = layouts[0]
    tensors = layout.keys.to_published({key: value.cpu() for key, value in loaded.model.state_dict().items()})
    with replacing(path) as partial:
        torch.save(tensors if layout.config is None else {"state_dict": tensors, "config": layout.config}, partial)


def find_checkpoint(cfg: Mapping[str, Any], name: str | Path) -> Path:
    """A checkpoint by path, or by name below WEIGHTS_PATH or EXPS_PATH of config.yml; the suffix may be left out.

    ``"starter"`` is the one that comes with the package, wherever that is installed.
    ``run:name`` looks only in run folders whose names begin with ``run``, as RITM's evaluation does.

    Raises:
        IsegmError: nothing or more than one file has that name.
    """
    name = str(name)
    if Path(name).expanduser().is_file():
        return Path(name).expanduser()
    if name in SHIPPED:
        return _shipped(name)
    roots = [root for key in ("WEIGHTS_PATH", "EXPS_PATH") if key in cfg and (root := absolute(cfg, str(cfg[key]))).is_dir()]
    for root in roots:
        for candidate in (root / name, *(root / f"{name}{suffix}" for suffix in SUFFIXES)):
            if candidate.is_file():
                return candidate
    run, colon, stem = name.rpartition(":")
    files = {file for root in roots for file in root.rglob("*") if file.suffix in SUFFIXES}
    if colon:
        files = {file for file in files if any(part.startswith(run) for part in file.parts[:-1])}
    found = sorted(file for file in files if stem in (file.name, file.stem))
    if len(found) > 1:
        raise IsegmError(f"checkpoint {name!r} is ambiguous, give a path: {', '.join(map(str, found[:SHOWN]))}")
    if not found:
        where = " and ".join(map(str, roots)) or "WEIGHTS_PATH and EXPS_PATH of config.yml, which do not exist"
        known = {*SHIPPED, *(file.stem for file in files)}
        raise unknown(f"checkpoint (no such file, and nothing of that name below {where})", name, known)
    return found[0]


def _shipped(name: str) -> Path:
    path = repository_file(SHIPPED[name])
    if not path.is_file():
        raise IsegmError(f"{path}, which comes with the package, is missing; install isegm again")
    return path


def _contents(path: str | Path) -> dict[str, Any]:
    return read_weights(path, stand_ins=[name for names in _hooks("STAND_INS") for name in names])


def _halved(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    halved = {key: value.half() for key, value in parameters.items()}
    if lost := [key for key, value in halved.items() if not value.isfinite().all()]:
        raise IsegmError(f"half precision cannot hold {lost[0]}, its values are too large; use fp32")
    return halved


def _interpreted(contents: dict[str, Any], path: str | Path) -> tuple[Published, dict[str, Tensor]]:
    """What a file describes, and its tensors under the names that the file uses."""
    metadata = contents.get("metadata", {})
    if "spec" in metadata and "isegm" in metadata:
        return Published(_checked_schema(metadata["isegm"], metadata["spec"]), KeyMap(), "isegm"), contents["state_dict"]
    if isinstance(header := contents.get("isegm"), Mapping):
        tensors = contents.get("ema") or contents.get("model")
        return Published(_checked_schema(header.get("schema"), contents.get("spec")), KeyMap(), "isegm"), state_dict_of(
            {"state_dict": tensors}, path
        )
    tensors = state_dict_of(contents, path)
    shapes = {key: tuple(value.shape) for key, value in tensors.items()}
    config = _config_values(contents.get("config"))
    for recognise in _hooks("published"):
        if layout := recognise(shapes, config):
            return layout, tensors
    raise IsegmError(
        f"{path} is of no known model: it has {len(tensors)} tensors, the first of them {', '.join(list(tensors)[:SHOWN])}."
        " Files of this package, and published checkpoints of the methods in isegm/methods, can be read"
    )


def _checked_schema(schema: Any, described: Any) -> Spec:
    if str(schema) != str(SCHEMA):
        raise IsegmError(f"the checkpoint has schema {schema!r}, this version of isegm reads {SCHEMA}; update isegm")
    try:
        return json.loads(described) if isinstance(described, str) else described
    except json.JSONDecodeError as error:
        raise IsegmError(f"the spec in the checkpoint is not JSON: {error}") from None


def _config_values(config: Any) -> dict[str, Any]:
    """The constructor arguments that RITM and its descendants store; the class path beside them is ignored on purpose."""
    params = config.get("params") if isinstance(config, Mapping) else None
    if not isinstance(params, Mapping):
        return {}
    return {name: entry["value"] for name, entry in params.items() if isinstance(entry, Mapping) and "value" in entry}


def _built(described: Spec) -> ClickModel:
    _check_parts(described)
    try:
        model = build(described)
    except (TypeError, ValueError, RuntimeError) as error:
        raise IsegmError(f"the spec in the checkpoint does not make a model in this version of isegm: {error}") from error
    if not isinstance(model, ClickModel):
        raise IsegmError(f"the spec in the checkpoint makes a {type(model).__name__}; expected a method of isegm.methods")
    return model


def _check_parts(described: Any) -> None:
    """A stranger's checkpoint may name networks, not functions that would do something on being called."""
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
            f"the spec in the checkpoint names {described['target']}, which is refused: it is no part of a network"
        )
    for value in described["args"].values():
        _check_parts(value)


def _hooks(name: str) -> Iterator[Any]:
    """What is called ``name`` in the modules of ``isegm.methods``."""
    for info in sorted(pkgutil.iter_modules(isegm.methods.__path__), key=lambda info: info.name):
        hook = getattr(importlib.import_module(f"isegm.methods.{info.name}"), name, None)
        if hook is not None:
            yield hook
