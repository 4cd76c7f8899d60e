"""Any file with weights in, a model ready to answer out.

A file of this package carries the spec of its model (see ``isegm.methods.checkpoints``). A file of
an original code base is recognised by its keys and shapes: every module of this folder may offer
the hooks that ``isegm.originals.published`` describes.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import isegm.originals
from isegm.core.errors import IsegmError
from isegm.core.registry import Spec
from isegm.methods.base import ClickModel
from isegm.methods.checkpoints import built, described_by, find_checkpoint
from isegm.nn.weights import (
    SHOWN,
    KeyMap,
    KeyReport,
    finite,
    load_strictly,
    read_weights,
    state_dict_of,
)
from isegm.nn.writing import save_pytorch
from isegm.originals.published import Published, arguments_in
from isegm.utils.files import sha256_of


@dataclass(frozen=True)
class LoadedModel:
    """A model and where it comes from.

    Attributes:
        model: in eval mode, on the device asked for.
        spec: what ``build`` makes the same network from.
        sha256: of the file.
        path: the file.
        source: the code base that wrote it, ``"isegm"`` or e.g. ``"RITM (published)"``.
        report: how many tensors matched.
        unused: what the original code base's files hold and no layer uses, under its names; see
            ``Published``.
    """

    model: ClickModel
    spec: Spec
    sha256: str
    path: str
    source: str
    report: KeyReport
    unused: dict[str, Tensor] = field(default_factory=dict)


def load_model(path: str | Path, device: torch.device | str = "cpu") -> LoadedModel:
    """Load a .safetensors or training checkpoint of this package, or a published .pth.

    Of a training checkpoint its EMA weights are taken, if it has them.

    Raises:
        IsegmError: the file is missing, broken or foreign, its spec names anything but networks of
            this package, a single tensor is missing, unexpected or of another shape, or a weight
            is not finite.
    """
    if Path(path).suffix == ".onnx":
        raise IsegmError(
            f"{path} is an exported network, which only answers clicks; here, use the checkpoint"
            " that it was exported from"
        )
    contents = _contents(path)
    try:
        written, tensors, unused = _interpreted(contents, path)
        model = built(written.spec, tensors.values())
    except IsegmError as error:
        raise error if str(path) in str(error) else IsegmError(f"{path}: {error}") from error
    report = load_strictly(model, tensors, str(path), written.keys, written.unused)
    if not finite(model):
        raise IsegmError(
            f"{path} holds weights that are NaN or infinite; its network answers nothing. Use an"
            " earlier checkpoint"
        )
    return LoadedModel(
        model.to(device).eval(),
        written.spec,
        sha256_of(path),
        str(path),
        written.source,
        report,
        unused or {key: tensors[key] for key in written.unused},
    )


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
    ways = (publish(loaded.spec) for publish in _hooks("publish"))
    published = next((way for way in ways if way), None)
    if published is None:
        raise IsegmError(
            f"{loaded.path}: no original code base has a model like this one, so it cannot be"
            " written as .pth; write .safetensors"
        )
    state = {key: value.cpu() for key, value in loaded.model.state_dict().items()}
    tensors, config = published.keys.to_published(state), published.config
    for key, shape in published.unused.items():
        tensors[key] = loaded.unused.get(key, torch.zeros(shape))
    save_pytorch(path, tensors if config is None else {"state_dict": tensors, "config": config})


def _contents(path: str | Path) -> dict[str, Any]:
    return read_weights(path, [name for names in _hooks("STAND_INS") for name in names])


def _interpreted(
    contents: dict[str, Any], path: str | Path
) -> tuple[Published, dict[str, Tensor], dict[str, Tensor]]:
    """What a file describes, its tensors under the names that the file uses, and whatever else a
    file of this package keeps (see ``save_model``).
    """
    if own := described_by(contents, path):
        return Published(own.spec, KeyMap(), "isegm"), own.tensors, own.unused
    tensors = state_dict_of(contents, path)
    shapes = {key: tuple(value.shape) for key, value in tensors.items()}
    config = arguments_in(contents.get("config"))
    for recognise in _hooks("recognise"):
        if published := recognise(shapes, config):
            return published, tensors, {}
    raise IsegmError(
        f"{path} is of no known model: it has {len(tensors)} tensors, the first of them"
        f" {', '.join(list(tensors)[:SHOWN])}. Files of this package, and published checkpoints of"
        " the code bases in isegm/originals, can be read"
    )


def _hooks(name: str) -> Iterator[Any]:
    """What is called ``name`` in the modules of ``isegm.originals``."""
    modules = pkgutil.iter_modules(isegm.originals.__path__)
    for info in sorted(modules, key=lambda info: info.name):
        module = importlib.import_module(f"isegm.originals.{info.name}")
        if hook := getattr(module, name, None):
            yield hook
