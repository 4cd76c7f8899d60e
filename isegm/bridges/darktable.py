"""Write a model for darktable's object masks: a .dtmodel file.

    isegm bridge darktable --checkpoint model.safetensors --out model

darktable shows the network the whole photograph at 1024 pixels, and its last mask at every click.
Networks of one part only, e.g. the starter or RITM's. Where the file goes:
docs/how-to/bridges/darktable.md. Needs: pip install 'isegm[onnx]'.
"""

from __future__ import annotations

import argparse
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from isegm.bridges.base import FilesBridge
from isegm.core.errors import IsegmError
from isegm.inference.chosen import Chosen
from isegm.originals.loading import load_model
from isegm.utils.extras import needed
from isegm.utils.files import replacing

SIDE = 1024  # of the square that darktable shows
INPUTS = ("image_feats", "point_coords", "point_labels", "prev_mask")


class Darktable(FilesBridge):
    """A zip of ``config.json``, ``encoder.onnx`` and ``decoder.onnx``, in a folder of the model's
    name. darktable takes a decoder of one output for the kind that it calls SegNext: the output is
    a probability, and is the next ``prev_mask``.
    """

    def add_flags(self, parser: argparse.ArgumentParser) -> None:
        super().add_flags(parser)
        parser.add_argument("--name", default="isegm", help="of the model: mask-object-NAME")

    def start(self, args: argparse.Namespace, choose: Callable[[], Chosen]) -> str:
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,60}[a-z0-9])?", args.name):
            raise IsegmError(
                f"--name {args.name!r}: expected lower-case letters, digits and hyphens"
            )
        needed("isegm.export.onnx", "onnx", "this bridge")
        return super().start(args, choose)

    def write(self, folder: Path, chosen: Chosen, args: argparse.Namespace) -> str:
        name = f"mask-object-{args.name}"
        made = graphs(chosen)
        described = {
            "id": name,
            "name": f"mask {args.name}",
            "description": f"{chosen.checkpoint['name']}, {chosen.checkpoint['sha256'][:12]}",
            "task": "mask",
            "arch": "segnext",
            "backend": "onnx",
            "version": "1.0",
        }
        file = folder / f"{name}.dtmodel"
        with (
            replacing(file) as partial,
            zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            archive.writestr(f"{name}/config.json", json.dumps(described, indent=2))
            for part, graph in made.items():
                archive.writestr(f"{name}/{part}.onnx", graph.SerializeToString())
        return f"wrote    {file}\ninstall  unzip {file} -d ~/.local/share/darktable/models"


def graphs(chosen: Chosen) -> dict[str, Any]:
    """Encoder and decoder as ``onnx.ModelProto``.

    Raises:
        IsegmError: the network has several parts, or keeps something between clicks.
    """
    export = needed("isegm.export.onnx", "onnx", "this bridge")
    whole = needed("isegm.export.whole_image", "onnx", "this bridge")
    base = needed("isegm.export.parts.base", "onnx", "this bridge")
    loaded, protocol = load_model(chosen.path), chosen.answering.protocol
    parts = whole.simple_parts(loaded.model.requires_grad_(False), protocol)
    image = {"image": torch.rand(1, 3, SIDE, SIDE)}
    encoder = base.Graph(torch.nn.Identity(), image, {"image": {}}, (INPUTS[0],))
    decoder = whole.fixed_decoder(parts, SIDE, (*INPUTS, "mask"))
    size = f"{SIDE} x {SIDE}"
    return {
        name: export.translated(graph, loaded, protocol, part=name, size=size)
        for name, graph in (("encoder", encoder), ("decoder", decoder))
    }


BRIDGE = Darktable
