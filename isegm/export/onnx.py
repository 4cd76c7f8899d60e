"""Writing networks as ONNX files; the contract of the files is docs/reference/onnx.md."""

from __future__ import annotations

import importlib
import json
import logging
import pkgutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import isegm
import isegm.export.parts
from isegm.core.errors import IsegmError
from isegm.export.parts.base import FEATURES, IMAGE, POINTS, Graph, OnePass, round_of
from isegm.inference.protocol import Protocol, load_protocol
from isegm.methods.base import ClickModel
from isegm.originals.loading import LoadedModel
from isegm.utils.files import replacing

try:
    import onnx
    import onnxscript  # noqa: F401  (torch exports through it)
except ImportError as error:
    raise IsegmError(
        f"exporting needs {error.name}; install it with: pip install 'isegm[onnx]'"
    ) from None

log = logging.getLogger("isegm")

FORMAT = 1  # of the files; any change of docs/reference/onnx.md that breaks a reader raises it
OPSET, IR = 18, 10
SMALLEST, LARGEST = 64, 8192  # pixels of a side of a view
EXAMPLE = (97, 131)  # rows and columns: odd and unequal, so that no rule of sizes holds by accident
MOST_CLICKS = 4096


@dataclass(frozen=True)
class Exported:
    """The graphs of a network, not yet written.

    Attributes:
        graphs: ``onnx.ModelProto`` by the name of the file, without the suffix.
        identity: the encoder only passes the image through, so the decoder alone is a whole model.
    """

    graphs: dict[str, Any]
    identity: bool


def exported(loaded: LoadedModel, protocol: Protocol | None = None) -> Exported:
    """Turn a network into graphs.

    Args:
        loaded: the network, on a CPU.
        protocol: how answers are to be asked for; by default the method's own published one. Mirror
            averaging is part of the graph, the rest is written into the metadata.

    Raises:
        IsegmError: the network optimizes at test time, or keeps something between clicks that the
            exporter does not know of.
    """
    model = loaded.model.eval().requires_grad_(False)
    protocol = (protocol or load_protocol(model.protocol)).for_users()
    parts = parts_of(model, protocol)
    try:
        graphs = _all_translated(parts)
    except Exception as error:  # what torch raises here has no common base
        size = fixed_size(protocol)
        if size is None:
            raise IsegmError(
                f"{type(model).__name__} cannot be exported: {str(error).splitlines()[0][:300]}"
            ) from error
        log.info("free sizes cannot be exported; all views will have %d x %d pixels", *size)
        parts = parts_of(model, protocol, size)
        graphs = _all_translated(parts)
    notes = _notes(loaded, protocol, parts)
    for name, graph in graphs.items():
        described(graph, {**notes, "part": name})
    return Exported(graphs, parts.identity)


def parts_of(model: ClickModel, protocol: Protocol, size: tuple[int, int] | None = None) -> OnePass:
    """How a network is cut.

    Args:
        size: of all views; None leaves it free.

    Raises:
        IsegmError: as ``exported``.
    """
    if model.infer_with_grad or model.unwrapped is not model:
        raise IsegmError(
            f"{type(model).__name__} optimizes at test time, which needs gradients; ONNX holds"
            " networks of one pass. Export the network alone: mode NoBRS"
        )
    kinds = (
        importlib.import_module(f"{isegm.export.parts.__name__}.{info.name}")
        for info in pkgutil.iter_modules(isegm.export.parts.__path__)
        if info.name != "base"
    )
    cut = next((kind.PARTS for kind in kinds if isinstance(model, kind.METHOD)), OnePass)
    if cut.one_size and fixed_size(protocol) is None:
        raise IsegmError(
            f"{type(model).__name__} needs views of one size, and those of protocol"
            f" {protocol.label} depend on the image; choose another --protocol"
        )
    example = size or (fixed_size(protocol) if cut.one_size else EXAMPLE)
    parts = cut(model, protocol.mirror, example, fixed=size is not None)
    if not parts.keeps_state:
        _refuse_state(parts)
    return parts


def fixed_size(protocol: Protocol) -> tuple[int, int] | None:
    """The size that all views of a protocol have; None if it depends on the image."""
    rule = protocol.rule
    size = getattr(rule, "size", None)
    always = getattr(rule, "resize_whole", True) or getattr(rule, "skip_clicks", 0) < 0
    return size if isinstance(size, tuple) and always else None


def write(made: Exported, target: Path) -> list[Path]:
    """Write encoder.onnx, decoder.onnx and what else there is into a folder; or, if the target ends
    in .onnx, a single file, whose first input is the image.

    Raises:
        IsegmError: a single file is asked for, and the network has several parts.
    """
    if target.suffix != ".onnx":
        target.mkdir(parents=True, exist_ok=True)
        files = {target / f"{name}.onnx": graph for name, graph in made.graphs.items()}
    elif made.identity and set(made.graphs) == {"encoder", "decoder"}:
        files = {target: _whole(made.graphs["decoder"])}
    else:
        names = ", ".join(f"{name}.onnx" for name in made.graphs)
        raise IsegmError(
            f"{target}: this network needs several files ({names}); give a folder instead"
        )
    for path, graph in files.items():
        with replacing(path) as partial:
            Path(partial).write_bytes(graph.SerializeToString())
    return list(files)


def _refuse_state(parts: OnePass) -> None:
    image, clicks = torch.rand(1, 3, *parts.size), parts.prompts()
    coords, labels = (clicks[name] for name in POINTS)
    with torch.no_grad():
        state = parts.model.infer(round_of(image, coords, labels)).state
    if state is not None:
        raise IsegmError(
            f"{type(parts.model).__name__} keeps something between clicks, and isegm/export/parts"
            " has no file that says how; write one, as emc_click.py does"
        )


def _all_translated(parts: OnePass) -> dict[str, Any]:
    made = {"encoder": _passing_through(parts)} if parts.identity else {}
    for name, graph in parts.graphs().items():
        log.info("%s: %s", name, ", ".join(graph.inputs))
        made[name] = _translated(graph)
    return made


def _passing_through(parts: OnePass) -> Any:
    """The encoder of a network that has none."""
    sides = [parts.plane.get(axis, side) for axis, side in zip((2, 3), parts.size, strict=True)]
    names, kind = (IMAGE, FEATURES), onnx.TensorProto.FLOAT
    ends = [onnx.helper.make_tensor_value_info(name, kind, [1, 3, *sides]) for name in names]
    node = onnx.helper.make_node("Identity", [IMAGE], [FEATURES])
    graph = onnx.helper.make_graph([node], "encoder", ends[:1], ends[1:])
    return onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR
    )


def _translated(graph: Graph) -> Any:
    """The ``onnx.ModelProto`` of a graph."""
    limits = {
        "clicks": (1, MOST_CLICKS),
        "height": (SMALLEST, LARGEST),
        "width": (SMALLEST, LARGEST),
    }
    axes = {axis for axes in graph.free.values() for axis in axes.values()}
    # Where some axes follow from others, as in what an encoder kept, relations are not named.
    related = not axes <= limits.keys()
    dims = {
        name: torch.export.Dim.AUTO(min=low, max=high)
        if related
        else torch.export.Dim(name, min=low, max=high)
        for name, (low, high) in limits.items()
    }
    shapes = tuple(
        {i: dims.get(axis, torch.export.Dim.AUTO) for i, axis in graph.free[name].items()} or None
        for name in graph.inputs
    )
    example = tuple(graph.inputs.values())
    module = graph.module.eval()
    with _quietly(), torch.no_grad():
        program = torch.export.export(
            module,
            example,
            dynamic_shapes=shapes,
            strict=False,
            prefer_deferred_runtime_asserts_over_guards=True,
        )
        made = torch.onnx.export(
            program,
            example,
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    model = made.model_proto
    _name_axes(model, graph)
    return model


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the exporter's remarks on its own work."""
    talkers = [logging.getLogger(name) for name in ("onnxscript", "onnx_ir", "torch.onnx")]
    levels = [talker.level for talker in talkers]
    try:
        for talker in talkers:
            talker.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for talker, level in zip(talkers, levels, strict=True):
            talker.setLevel(level)


def _name_axes(model: Any, graph: Graph) -> None:
    """Give the free axes of inputs their names, in place of the exporter's symbols."""
    names = {}
    for value in model.graph.input:
        for i, axis in graph.free.get(value.name, {}).items():
            dim = value.type.tensor_type.shape.dim[i]
            names[dim.dim_param] = axis
    for value in (*model.graph.input, *model.graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in names:
                dim.dim_param = names[dim.dim_param]
    del model.graph.value_info[:]  # shapes in between, in terms of the old symbols


def _notes(loaded: LoadedModel, protocol: Protocol, parts: OnePass) -> dict[str, str]:
    answers = {
        "name": protocol.name,
        "version": protocol.version,
        "view": protocol.view,
        "mask_threshold": protocol.mask_threshold,
        "mirror": protocol.mirror,
        "merge": protocol.merge,
        "refine": protocol.refine,
        "sis": protocol.sis,
        "initial_mask": parts.initial_mask,
    }
    return {
        "isegm": str(FORMAT),
        "isegm_version": isegm.__version__,
        "method": type(parts.model).__name__,
        "checkpoint": Path(loaded.path).name,
        "sha256": loaded.sha256,
        "protocol": protocol.label,
        "answers": json.dumps(answers),
        "encoder": "identity" if parts.identity else "network",
        "size": "free" if parts.plane else "{} x {}".format(*parts.size),
        "opset": str(OPSET),
        "dtype": "fp32",
    }


def described(model: Any, notes: Mapping[str, str]) -> Any:
    """The ``onnx.ModelProto`` with these entries as its only metadata."""
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, dict(notes))
    model.producer_name, model.producer_version = "isegm", isegm.__version__
    return model


def notes_of(model: Any) -> dict[str, str]:
    """The metadata of an ``onnx.ModelProto``."""
    return {prop.key: prop.value for prop in model.metadata_props}


def _whole(decoder: Any) -> Any:
    """A decoder as a model of its own: its first input is the image."""
    model = onnx.ModelProto()
    model.CopyFrom(decoder)
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            if name == FEATURES:
                node.input[i] = IMAGE
    next(value for value in model.graph.input if value.name == FEATURES).name = IMAGE
    return described(model, {**notes_of(model), "part": "model"})


def translated(graph: Graph, loaded: LoadedModel, protocol: Protocol, **notes: str) -> Any:
    """A graph for another program's contract as ``onnx.ModelProto``; ``notes`` are further entries
    of its metadata.
    """
    common = _notes(loaded, protocol, parts_of(loaded.model, protocol))
    kept = {key: value for key, value in common.items() if key not in ("isegm", "answers")}
    return described(_translated(graph), {**kept, **notes})
