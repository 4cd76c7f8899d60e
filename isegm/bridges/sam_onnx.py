"""Write an encoder and a decoder that look like those of SAM, for tools that load such pairs.

    isegm bridge sam-onnx --checkpoint model.safetensors --out model

For AnyLabeling, X-AnyLabeling, samexporter and others with SAM's ONNX interface. They pass all
points and no previous mask, so the decoder answers the points one after another inside its graph.
Networks of one part only, e.g. the starter or RITM's: docs/how-to/bridges/sam_onnx.md. Needs: pip
install 'isegm[onnx]'.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from isegm.bridges.base import FilesBridge
from isegm.core.errors import IsegmError
from isegm.inference.chosen import Chosen
from isegm.originals.loading import load_model
from isegm.utils.extras import needed

LOW = 256  # side of low_res_masks
NOTHING = -20.0  # the logit of what is no object
WHAT = "this bridge"
CONFIG = """type: segment_anything
name: {name}
display_name: {name}
encoder_model_path: {folder}/encoder.onnx
decoder_model_path: {folder}/decoder.onnx
input_size: 1024
max_width: 1024
max_height: 682
"""


class SamOnnx(FilesBridge):
    """Two files, and the configuration with which AnyLabeling and X-AnyLabeling load them."""

    def write(self, folder: Path, chosen: Chosen, args: argparse.Namespace) -> str:
        for name, graph in pair(chosen).items():
            (folder / f"{name}.onnx").write_bytes(graph.SerializeToString())
        name = f"isegm {chosen.checkpoint['name'].rsplit('.', 1)[0]}"
        config = CONFIG.format(name=name, folder=folder.resolve().as_posix())
        (folder / "model.yaml").write_text(config, encoding="utf-8")
        return f"wrote  {folder}/encoder.onnx, decoder.onnx and model.yaml, which names them"


def pair(chosen: Chosen) -> dict[str, Any]:
    """Encoder and decoder as ``onnx.ModelProto``.

    Raises:
        IsegmError: the network has several parts, keeps something between clicks, or answers images
            of one size only.
    """
    export = needed("isegm.export.onnx", "onnx", WHAT)
    whole = needed("isegm.export.whole_image", "onnx", WHAT)
    loaded, protocol = load_model(chosen.path), chosen.answering.protocol
    whole.simple_parts(loaded.model.requires_grad_(False), protocol)
    decoder = export.exported(loaded, protocol).graphs["decoder"]
    notes = {prop.key: prop.value for prop in decoder.metadata_props}
    if notes["size"] != "free":
        raise IsegmError(
            f"{notes['method']} answers images of {notes['size']} pixels only, and these tools show"
            " images of any shape; use another network, e.g. the starter or RITM's"
        )
    kept = {key: value for key, value in notes.items() if key not in ("isegm", "answers")}
    made = {"encoder": _encoder(decoder), "decoder": _decoder(decoder)}
    onnx = needed("onnx", "onnx", WHAT)
    for name, model in made.items():
        onnx.checker.check_model(model)
        onnx.helper.set_model_props(model, {**kept, "part": name, "interface": "SAM"})
    return made


class _Nodes:
    """Nodes of a graph, as they are written down; names are made up."""

    def __init__(self, prefix: str) -> None:
        self._helper = needed("onnx.helper", "onnx", WHAT)
        self._arrays = needed("onnx.numpy_helper", "onnx", WHAT)
        self._prefix, self.nodes, self.constants = prefix, [], []

    def __call__(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node, and return the name of its output."""
        made = name or f"{self._prefix}_{len(self.nodes)}_{kind}"
        self.nodes.append(self._helper.make_node(kind, inputs, [made], **attributes))
        return made

    def value(self, value: Any, kind: type = np.int64) -> str:
        """A constant."""
        name = f"{self._prefix}_constant_{len(self.constants)}"
        self.constants.append(self._arrays.from_array(np.array(value, kind), name))
        return name


def _encoder(like: Any) -> Any:
    """``H W 3`` float32, RGB from 0 to 255, to ``1 3 H W`` in [0, 1]: the image itself."""
    add = _Nodes("encoder")
    image = add("Transpose", "input_image", perm=[2, 0, 1])
    image = add("Mul", image, add.value(1 / 255, np.float32))
    add("Unsqueeze", image, add.value([0]), name="image_embeddings")
    inputs = {"input_image": ["height", "width", 3]}
    return _model(add, inputs, {"image_embeddings": [1, 3, "height", "width"]}, like)


def _decoder(net: Any) -> Any:
    """SAM's decoder around the network: a loop over the points, whose state is the mask."""
    onnx = needed("onnx.compose", "onnx", WHAT)
    net = onnx.add_prefix(net, "net_")
    add = _Nodes("main")
    add.constants += net.graph.initializer
    labels = _labels(add)
    coords = add("Cast", "point_coords", to=11, name="net_point_coords")  # 11: float64
    add("Identity", "image_embeddings", name="net_image_features")
    size = add("Shape", "image_embeddings", start=2)
    side = add("ReduceMax", size, keepdims=1)
    before = _previous(add, size, side)
    count = add("Shape", coords, start=1, end=2)
    numbers = add("Range", add.value(0), add("Squeeze", count), add.value(1))
    has = add("Greater", "has_mask_input", add.value([0], np.float32))
    # With a previous mask, only the newest point is new.
    newest = add("ReduceMax", add("Where", add("Greater", labels, add.value(-1)), numbers,
                                  add.value([[0]])), keepdims=0)  # fmt: skip
    first = add("Where", has, newest, add.value([0]))
    trips = add("Squeeze", add("Sub", count, first))
    shape = add("Concat", add.value([1, 1]), size, axis=0)
    nothing = add("Expand", add.value([[[[NOTHING]]]], np.float32), shape)
    body = _loop_body(net, labels, numbers, first, has)
    prob_and_logits = ["main_prob", "main_logits"]
    helper = needed("onnx.helper", "onnx", WHAT)
    always = add.value(True, np.bool_)
    add.nodes.append(
        helper.make_node("Loop", [trips, always, before, nothing], prob_and_logits, body=body)
    )
    _outputs(add, "main_logits", size, side)
    inputs = {
        "image_embeddings": [1, 3, "height", "width"],
        "point_coords": [1, "num_points", 2],
        "point_labels": [1, "num_points"],
        "mask_input": [1, 1, "mask_height", "mask_width"],
        "has_mask_input": [1],
        "orig_im_size": [2],
    }
    outputs = {
        "masks": [1, 1, "orig_height", "orig_width"],
        "iou_predictions": [1, 1],
        "low_res_masks": [1, 1, LOW, LOW],
    }
    return _model(add, inputs, outputs, net)


def _labels(add: _Nodes) -> str:
    """1 and 0, and -1 for all that is no point, such as the corners of a box."""
    one = add("Equal", "point_labels", add.value(1, np.float32))
    zero = add("Equal", "point_labels", add.value(0, np.float32))
    off = add("Where", zero, add.value(0), add.value(-1))
    return add("Where", one, add.value(1), off)


def _previous(add: _Nodes, size: str, side: str) -> str:
    """``mask_input``, logits of a padded square, as probability of the image; 0 without one."""
    square = add("Concat", add.value([1, 1]), side, side, axis=0)
    large = add("Resize", "mask_input", "", "", square, mode="linear")
    cut = add("Slice", large, add.value([0, 0]), size, add.value([2, 3]))
    has = add("Reshape", "has_mask_input", add.value([1, 1, 1, 1]))
    return add("Mul", add("Sigmoid", cut), has)


def _loop_body(net: Any, labels: str, numbers: str, first: str, has: str) -> Any:
    """One point: the network sees the points up to it, and the mask before it."""
    helper, kinds = needed("onnx.helper", "onnx", WHAT), needed("onnx", "onnx", WHAT).TensorProto
    add = _Nodes("body")
    index = add("Add", "body_iteration", first)
    known = add("LessOrEqual", numbers, index)
    shown = add("Where", known, labels, add.value([[-1]]))
    add("Identity", shown, name="net_point_labels")
    add("Identity", "body_prob", name="net_prev_mask")
    later = add("Greater", index, add.value([0]))
    add("Cast", add("Or", later, has), to=1, name="net_has_prev_mask")  # 1: float32
    add.nodes += net.graph.node
    answer = add("Sigmoid", "net_logits")
    absent = add("Equal", add("Gather", labels, index, axis=1), add.value([[-1]]))
    absent = add("Reshape", absent, add.value([1, 1, 1, 1]))
    add("Where", absent, "body_prob", answer, name="body_next_prob")
    add("Where", absent, "body_logits", "net_logits", name="body_next_logits")
    add("Identity", "body_go_on", name="body_still")
    plane = [1, 1, "height", "width"]

    def info(name: str, kind: int, shape: list) -> Any:
        return helper.make_tensor_value_info(name, kind, shape)

    state = [("body_prob", "body_logits"), ("body_next_prob", "body_next_logits")]
    inputs, outputs = ([info(name, kinds.FLOAT, plane) for name in names] for names in state)
    inputs = [info("body_iteration", kinds.INT64, []), info("body_go_on", kinds.BOOL, []), *inputs]
    outputs = [info("body_still", kinds.BOOL, []), *outputs]
    return helper.make_graph(add.nodes, "point", inputs, outputs, add.constants)


def _outputs(add: _Nodes, logits: str, size: str, side: str) -> None:
    wanted = add("Cast", "orig_im_size", to=7)  # 7: int64
    wanted = add("Concat", add.value([1, 1]), wanted, axis=0)
    add("Resize", logits, "", "", wanted, mode="linear", name="masks")
    missing = add("Sub", side, size)
    pads = add("Concat", add.value([0, 0, 0, 0, 0, 0]), missing, axis=0)
    padded = add("Pad", logits, pads, add.value(NOTHING, np.float32))
    low = add.value([1, 1, LOW, LOW])
    add("Resize", padded, "", "", low, mode="linear", name="low_res_masks")
    add("Identity", add.value([[1]], np.float32), name="iou_predictions")


def _model(add: _Nodes, inputs: dict, outputs: dict, like: Any) -> Any:
    """A model of float32 inputs and outputs, with the versions of another one."""
    helper = needed("onnx.helper", "onnx", WHAT)
    described = [
        [helper.make_tensor_value_info(name, 1, shape) for name, shape in shapes.items()]
        for shapes in (inputs, outputs)
    ]
    graph = helper.make_graph(add.nodes, "isegm", *described, add.constants)
    made = helper.make_model(graph, opset_imports=like.opset_import, ir_version=like.ir_version)
    made.functions.extend(like.functions)
    made.producer_name, made.producer_version = like.producer_name, like.producer_version
    return made


BRIDGE = SamOnnx
