"""Answer Label Studio: a machine learning backend for its smart keypoints.

    isegm bridge label-studio --label-studio http://localhost:8080 --checkpoint model.safetensors
    isegm bridge label-studio --images photos

The first fetches images from a Label Studio, with the key in the environment variable
LABEL_STUDIO_API_KEY; the second reads them from a folder. No other images are read, no matter what
a request asks for. How to set up a project: docs/how-to/bridges/label_studio.md. Needs: pip install
'isegm[demo]'.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from isegm.bridges.base import ServerBridge, keeping_of
from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.data.reading import checked_image, image_in_text
from isegm.demo.pictures import FolderPictures
from isegm.inference.click_lists import ClickLists, click_at
from isegm.utils.extras import needed
from isegm.utils.fields import field, parsed

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

    from isegm.demo.app import Served, Tool
    from isegm.demo.limits import Limits
    from isegm.demo.store import SessionStore

SECONDS = 30  # for an image to arrive
IMAGES = 4  # kept decoded
SAFE = "/:?=&%+,;@"  # characters of an address that are left as they are
KEY = "LABEL_STUDIO_API_KEY"
RUN_BITS = 16  # of a length
LONGEST_RUN = 1 << RUN_BITS


class LabelStudio(ServerBridge):
    """Every request holds the task and all keypoints of the current region, in order."""

    port = 9090

    def add_flags(self, parser: argparse.ArgumentParser) -> None:
        super().add_flags(parser)
        parser.add_argument(
            "--label-studio", metavar="URL", help="images are fetched from there, and only there"
        )
        parser.add_argument(
            "--images", type=Path, help="a folder; tasks name its files, whatever comes before"
        )

    def tool(self, args: argparse.Namespace) -> Tool:
        app = needed("isegm.demo.app", "demo", "this bridge")
        host = _checked_host(args.label_studio) if args.label_studio else None
        folder = FolderPictures(args.images) if args.images else None

        def add_routes(app: FastAPI, served: Served, store: SessionStore) -> None:
            images = Images(host, os.environ.get(KEY, ""), folder, store.limits)
            _add_routes(app, Answers(served, store, images))

        return app.Tool(add_routes, ("/predict", "/setup", "/webhook"))


class Images:
    """The images of tasks: data URIs, files of one folder, and what one Label Studio serves.

    A task may name anything, so nothing else is read: no other host and no path.
    """

    def __init__(
        self, host: str | None, key: str, folder: FolderPictures | None, limits: Limits
    ) -> None:
        self._host, self._key, self._folder, self._limits = host, key, folder, limits
        self._opener = urllib.request.build_opener(_NoRedirects)
        self.read = functools.lru_cache(IMAGES)(self._read)  # every click asks for the same one

    def _read(self, address: str) -> np.ndarray:
        """``H W 3`` uint8 RGB.

        Raises:
            IsegmError: there is no such image, or it may not be read.
        """
        if address.startswith("data:"):
            return image_in_text(address, "the task's image", self._limits.pixels)
        name = urllib.parse.unquote(address.rsplit("/", 1)[-1].rsplit("=", 1)[-1])
        if self._folder and name in self._folder.names():
            return checked_image(self._folder.read(name), name, self._limits.pixels)
        if self._host and self._served(address):
            return checked_image(self._fetched(address), name, self._limits.pixels)
        places = [f"the folder --images ({name:.80})"] if self._folder else []
        places += [self._host] if self._host else []
        known = " or ".join(places) or "anywhere known"
        raise IsegmError(
            f"the task's image {address:.120} is not from {known}; start the bridge with"
            " --label-studio URL or --images FOLDER"
        )

    def _served(self, address: str) -> bool:
        """Whether an address leads to this Label Studio."""
        whole = urllib.parse.urlsplit(urllib.parse.urljoin(f"{self._host}/", address))
        host = urllib.parse.urlsplit(self._host)
        return (whole.scheme, whole.netloc) == (host.scheme, host.netloc)

    def _fetched(self, address: str) -> bytes:
        url = urllib.parse.urljoin(f"{self._host}/", urllib.parse.quote(address, safe=SAFE))
        try:
            data = self._asked(urllib.request.Request(url, headers=self._identity()))
        except (OSError, ValueError) as error:
            raise IsegmError(
                f"{url:.120} cannot be fetched: {error}; is {KEY} the key of a user who may see it?"
            ) from None
        if len(data) > self._limits.upload_bytes:
            raise IsegmError(f"{url:.120} is larger than {self._limits.upload_bytes >> 20} MiB")
        return data

    def _identity(self) -> dict[str, str]:
        """The header that names the user. A personal access token (a JWT) is exchanged for one that
        is valid for minutes; legacy tokens are sent as they are.
        """
        if self._key.count(".") != 2:
            return {"Authorization": f"Token {self._key}"} if self._key else {}
        body = json.dumps({"refresh": self._key}).encode()
        kind = {"Content-Type": "application/json"}
        asked = urllib.request.Request(f"{self._host}/api/token/refresh", body, kind)
        return {"Authorization": f"Bearer {field(parsed(self._asked(asked)), 'access', str)}"}

    def _asked(self, request: urllib.request.Request) -> bytes:
        with self._opener.open(request, timeout=SECONDS) as answer:
            return answer.read(self._limits.upload_bytes + 1)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Redirects are not followed: they might lead anywhere, with the key."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Answers:
    """The bodies of requests, answered."""

    def __init__(self, served: Served, store: SessionStore, images: Images) -> None:
        self._lists = ClickLists(served.answering, keeping_of(store.limits), store.turn)
        self._images = images
        self.version = f"isegm {served.checkpoint['name']} {served.checkpoint['sha256'][:8]}"

    def setup(self, body: Any) -> dict[str, Any]:
        """Whether a project can be answered.

        Raises:
            IsegmError: its labeling interface lacks a tag.
        """
        tags_of(field(body, "schema", str))
        return {"model_version": self.version}

    def predict(self, body: Any) -> dict[str, Any]:
        """A brush region for each task; nothing without keypoints.

        Raises:
            IsegmError: the request is not understood, or asks for what does not exist.
        """
        tasks = field(body, "tasks", list)
        context = field(field(body, "params", dict, {}), "context", dict, {})
        points = field(context, "result", list, [])
        if not points or not tasks:
            return {"results": [], "model_version": self.version}
        if len(tasks) > 1:
            raise IsegmError(f"{len(tasks)} tasks with keypoints; expected one")
        name, image, value = tags_of(field(body, "label_config", str))
        pixels = self._images.read(field(field(tasks[0], "data", dict), value, str))
        clicks, label = _clicks(points, pixels.shape[:2])
        mask = self._lists.answer(pixels, clicks)
        region = _region(mask, name, image, label) if mask.any() else None
        found = {"result": [region] if region else [], "score": 1.0}
        return {
            "results": [{**found, "model_version": self.version}],
            "model_version": self.version,
        }


def tags_of(config: str) -> tuple[str, str, str]:
    """The names of the BrushLabels and the Image tag of a labeling interface, and the field of a
    task that holds the image.

    Raises:
        IsegmError: it is no XML, or lacks one of them.
    """
    try:
        if "<!" in config:  # document types declare entities, which can grow without limit
            raise IsegmError("the labeling interface holds a declaration (<!...); remove it")
        root = ElementTree.fromstring(config)
    except ElementTree.ParseError as error:
        raise IsegmError(f"the labeling interface is no XML: {error}") from None
    brush = root.find(".//BrushLabels")
    images = {tag.get("name"): tag.get("value", "") for tag in root.iter("Image")}
    image = brush.get("toName") if brush is not None else None
    if brush is None or not brush.get("name") or not images.get(image, "").startswith("$"):
        raise IsegmError(
            'the labeling interface needs an Image with value="$..." and BrushLabels with its'
            " name as toName"
        )
    return brush.get("name", ""), str(image), images[image][1:]


def _clicks(points: list[Any], size: tuple[int, int]) -> tuple[list[Click], str]:
    """Keypoints in percent of the image, and the label of the last one."""
    clicks, label = [], ""
    for point in points:
        kind, value = field(point, "type", str), field(point, "value", dict)
        if kind != "keypointlabels":
            raise IsegmError(f"region {kind:.40}: this model is asked with keypoints only")
        rotation = field(point, "image_rotation", float, 0)
        if rotation:
            raise IsegmError(f"the image is rotated by {rotation:g}; turn it back to label it")
        x, y = (field(value, axis, float) / 100 for axis in ("x", "y"))
        positive = point.get("is_positive", True)
        if positive not in (True, False):
            raise IsegmError(f"is_positive {positive!r:.40}: expected true or false")
        labels = field(value, "keypointlabels", list)
        if not labels or not isinstance(labels[0], str):
            raise IsegmError("keypointlabels: expected a list with the name of a label")
        label = labels[0]
        clicks.append(click_at(x * size[1], y * size[0], bool(positive), size))
    return clicks, label


def _region(mask: np.ndarray, name: str, image: str, label: str) -> dict[str, Any]:
    rle = encoded(mask)
    return {
        "id": hashlib.sha256(bytes(rle)).hexdigest()[:10],
        "type": "brushlabels",
        "from_name": name,
        "to_name": image,
        "original_width": mask.shape[1],
        "original_height": mask.shape[0],
        "image_rotation": 0,
        "value": {"format": "rle", "rle": rle, "brushlabels": [label]},
        "score": 1.0,
        "readonly": False,
    }


def encoded(mask: np.ndarray) -> list[int]:
    """A mask, ``H W`` bool, as the bytes of Label Studio's brush format.

    It packs the four channels of every pixel as runs of bits (rle-pack of thi.ng/umbrella): a head
    of the number of values (32 bits), the bits of a value - 1 (5) and of four sizes of lengths - 1
    (4 each). Then, for each run, a 1 for "one value repeated", the index of its size of length (2),
    the length - 1 and the value. One size serves all runs here, so that they are a matrix of bits.
    """
    flat = mask.ravel()
    borders = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate([[0], borders])
    lengths = 4 * np.diff(np.concatenate([starts, [flat.size]]))
    pieces = -(-lengths // LONGEST_RUN)
    values = np.repeat(flat[starts], pieces)
    sizes = np.full(values.shape, LONGEST_RUN)
    sizes[np.cumsum(pieces) - 1] = lengths - (pieces - 1) * LONGEST_RUN
    runs = np.ones((len(values), 3 + RUN_BITS + 8), np.uint8)  # repeated, with the last size (3)
    runs[:, 3 : 3 + RUN_BITS] = (sizes[:, None] - 1) >> np.arange(RUN_BITS)[::-1] & 1
    runs[:, 3 + RUN_BITS :] = values[:, None]
    head = f"{4 * flat.size:032b}{8 - 1:05b}" + "".join(
        f"{bits - 1:04b}" for bits in (4, 8, 12, 16)
    )
    bits = np.concatenate([np.array(list(head), np.uint8), runs.ravel()])
    return np.packbits(bits).tolist()


def _checked_host(address: str) -> str:
    parts = urllib.parse.urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise IsegmError(f"--label-studio {address}: expected e.g. http://localhost:8080")
    return address.rstrip("/")


def _add_routes(app: FastAPI, answers: Answers) -> None:
    bodies = needed("isegm.demo.bodies", "demo", "this bridge").Bodies()
    responses = needed("starlette.responses", "demo", "this bridge")

    async def predict(request: Request) -> Response:
        return await bodies.answer(request, answers.predict)

    async def setup(request: Request) -> Response:
        return await bodies.answer(request, answers.setup)

    async def health(request: Request) -> Response:
        return responses.JSONResponse({"status": "UP", "model_class": "isegm"})

    async def webhook(request: Request) -> Response:
        """News of annotations, of which this model learns nothing."""
        return await bodies.answer(request, lambda body: {"status": "ignored"})

    app.add_route("/predict", predict, methods=["POST"])
    app.add_route("/setup", setup, methods=["POST"])
    app.add_route("/health", health, methods=["GET"])
    app.add_route("/webhook", webhook, methods=["POST"])


BRIDGE = LabelStudio
