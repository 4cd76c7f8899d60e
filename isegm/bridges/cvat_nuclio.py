"""Write a Nuclio function for the community version of CVAT: an interactor in a container.

    isegm bridge cvat-nuclio --checkpoint model.safetensors --out function

The folder holds function.yaml, main.py, the checkpoint, and this package. Deploy it with nuctl, as
printed: docs/how-to/bridges/cvat_nuclio.md.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import isegm
from isegm.bridges.base import FilesBridge
from isegm.core.errors import IsegmError
from isegm.data.reading import MAX_PIXELS, image_in_text
from isegm.inference.chosen import Chosen, choose
from isegm.inference.click_lists import ClickLists, Keeping, click_at
from isegm.utils.config import load_config, repository_file
from isegm.utils.device import pick_device
from isegm.utils.fields import field, parsed
from isegm.utils.outlines import outlines

REQUEST_BYTES = 32 << 20  # CVAT sends frames as JPEG in base64
PLACE = "/opt/nuclio"  # of the folder, in the container
NEEDED = (  # of requirements.txt, to answer clicks
    "torch torchvision timm mmcv-lite opencv-python-headless simplejpeg pillow numpy scipy easydict"
    " pyyaml tqdm safetensors pooch requests filelock huggingface_hub"
)
CPU_TORCH = "--extra-index-url https://download.pytorch.org/whl/cpu"
SHIPPED = ("config.yml", "assets/zoo.yml", "configs/eval/*.yml")
MAIN = '''"""An interactor for CVAT, written by: isegm bridge cvat-nuclio"""

import os
from pathlib import Path

from isegm.bridges.cvat_nuclio import Interactor

HERE = Path(__file__).resolve().parent


def init_context(context):
    os.chdir(HERE)
    context.user_data.model = Interactor({checkpoint!r}, {protocol!r})


def handler(context, event):
    status, body = context.user_data.model.answer(event.body)
    return context.Response(
        body=body, headers={{}}, content_type="application/json", status_code=status
    )
'''


class CvatNuclio(FilesBridge):
    """Writes the folder of a Nuclio function."""

    def add_flags(self, parser: argparse.ArgumentParser) -> None:
        super().add_flags(parser)
        parser.add_argument("--name", default="isegm", help="of the function, as CVAT lists it")
        parser.add_argument("--gpu", action="store_true", help="for a container with a GPU")

    def start(self, args: argparse.Namespace, choose: Any) -> str:
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?", args.name):
            raise IsegmError(
                f"--name {args.name!r}: expected lower-case letters, digits and hyphens"
            )
        return super().start(args, choose)

    def write(self, folder: Path, chosen: Chosen, args: argparse.Namespace) -> str:
        checkpoint = f"model{chosen.path.suffix}"
        shutil.copyfile(chosen.path, folder / checkpoint)
        copy_package(folder)
        protocol = args.protocol
        if protocol and Path(protocol).is_file():
            protocol = shutil.copyfile(protocol, folder / "protocol.yml").name
        main = MAIN.format(checkpoint=checkpoint, protocol=protocol)
        (folder / "main.py").write_text(main, encoding="utf-8")
        described = yaml.safe_dump(function(args.name, chosen, args.gpu), sort_keys=False)
        (folder / "function.yaml").write_text(described, encoding="utf-8")
        return (
            f"wrote     {folder}\n"
            f"deploy    nuctl deploy --project-name cvat --path {folder} --platform local"
        )


def copy_package(folder: Path) -> None:
    """This package into a folder that is on Python's path there, with the files it reads."""
    leave = shutil.ignore_patterns("__pycache__", "shipped", "static", "browser")
    shutil.copytree(Path(isegm.__file__).parent, folder / "isegm", ignore=leave)
    root = repository_file("config.yml").parent
    for pattern in SHIPPED:
        for source in sorted(root.glob(pattern)):
            target = folder / "isegm" / "shipped" / source.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def function(name: str, chosen: Chosen, gpu: bool) -> dict[str, Any]:
    """Describe the function for Nuclio (function.yaml)."""
    install = f"pip install --no-cache-dir {NEEDED}" + ("" if gpu else f" {CPU_TORCH}")
    annotations = {
        "name": name,
        "version": "2",
        "type": "interactor",
        "spec": "",
        "framework": "pytorch",
        "min_pos_points": "1",
        "min_neg_points": "0",
        "startswith_box_optional": "false",
        "help_message": f"{chosen.checkpoint['name']}, {chosen.protocol['label']}: a click on the"
        " object, then clicks where the mask is wrong",
    }
    limits = {"resources": {"limits": {"nvidia.com/gpu": 1}}} if gpu else {}
    trigger = {
        "kind": "http",
        "maxWorkers": 1,
        "workerAvailabilityTimeoutMilliseconds": 10000,
        "attributes": {"maxRequestBodySize": REQUEST_BYTES},
    }
    return {
        "metadata": {"name": name, "namespace": "cvat", "annotations": annotations},
        "spec": {
            "description": f"isegm {isegm.__version__}: {chosen.checkpoint['sha256']}",
            "runtime": "python:3.11",
            "handler": "main:handler",
            "eventTimeout": "60s",
            "env": [{"name": "PYTHONPATH", "value": PLACE}],
            "build": {
                "image": f"cvat.{name}",
                "baseImage": "python:3.11-slim",
                "directives": {
                    "preCopy": [
                        {"kind": "RUN", "value": install},
                        {"kind": "WORKDIR", "value": PLACE},
                    ]
                },
            },
            "triggers": {"myHttpTrigger": trigger},
            **limits,
        },
    }


class Interactor:
    """Answers CVAT's requests: an image, the points on the object, those off it."""

    def __init__(self, checkpoint: str, protocol: str | None = None) -> None:
        chosen = choose(load_config(), checkpoint, pick_device(), protocol)
        self._lists = ClickLists(chosen.answering, Keeping())

    def answer(self, body: Any) -> tuple[int, str]:
        """Status and JSON; 400 and one line for a request that cannot be answered.

        Args:
            body: JSON, which Nuclio has decoded if the request said that it is JSON.
        """
        try:
            data = parsed(body) if isinstance(body, (bytes, str)) else body
            polygon, mask = self._answered(data)
        except IsegmError as error:
            return 400, json.dumps({"error": str(error)})
        return 200, f'{{"points": {json.dumps(polygon)}, "mask": {_rows(mask)}}}'

    def _answered(self, body: Any) -> tuple[list[list[float]], np.ndarray]:
        """The largest part as a polygon, and the mask."""
        sorted_points = [field(body, name, list) for name in ("pos_points", "neg_points")]
        threshold = field(body, "threshold", float, None)
        if field(body, "obj_bbox", list, None):
            raise IsegmError("this model is asked with points, not with a box")
        pixels = image_in_text(field(body, "image", str), "image", MAX_PIXELS)
        positive, negative = (
            [click_at(*_pair(point), sign, pixels.shape[:2]) for point in points]
            for points, sign in zip(sorted_points, (True, False), strict=True)
        )
        clicks = self._lists.in_order(pixels, positive, negative)
        mask = self._lists.answer(pixels, clicks, threshold)
        polygons = outlines(mask)
        return (polygons[0].tolist() if polygons else []), mask


def _rows(mask: np.ndarray) -> str:
    """``H W`` bool as JSON rows of 0 and 1, without an object per pixel."""
    cells = np.full((mask.shape[0], 2 * mask.shape[1]), ord(","), np.uint8)
    cells[:, ::2] = mask + np.uint8(ord("0"))
    return "[[" + "],[".join(row[:-1].tobytes().decode() for row in cells) + "]]"


def _pair(point: Any) -> list[Any]:
    if not isinstance(point, list) or len(point) != 2:
        raise IsegmError(f"point {point!r:.60}: expected [x, y]")
    return point


BRIDGE = CvatNuclio
