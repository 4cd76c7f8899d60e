"""The page without a server: the demo's own page, a network in ONNX, and onnxruntime-web to run it
in the browser. Any static host can serve the folder, and nothing comes from another host.
"""

from __future__ import annotations

import json
import logging
import shutil
import tarfile
from pathlib import Path

from isegm.core.errors import IsegmError
from isegm.demo.exports import COLOURS
from isegm.export.onnx import Exported, exported, notes_of, write
from isegm.inference.protocol import Protocol
from isegm.inference.views.zoom_in import ZoomIn
from isegm.originals.loading import LoadedModel
from isegm.utils.config import repository_file
from isegm.utils.files import replacing
from isegm.zoo.entries import Entry, Remote
from isegm.zoo.files import fetch_file
from isegm.zoo.hashes import check

log = logging.getLogger("isegm")

HERE = Path(__file__).parent
VERSION = "1.22.0"
ARCHIVE = f"onnxruntime-web-{VERSION}.tgz"
RUNTIME = Entry(
    name=f"onnxruntime-web {VERSION}",
    kind="backbone",
    files=(
        Remote(
            ARCHIVE,
            (f"https://registry.npmjs.org/onnxruntime-web/-/{ARCHIVE}",),
            size=20387966,
            exact=True,
            hash="sha256:e293551f9d36d003e293d0f2937fee7b3dfdcef76d71d1449b55e2d4157c7aea",
            tried=True,
        ),
    ),
    page="https://www.npmjs.com/package/onnxruntime-web",
    licence="MIT",
)
# In the archive's folder dist, and here: some static hosts do not know that .mjs is JavaScript.
PARTS = {
    "ort.wasm.min.mjs": "ort.js",
    "ort-wasm-simd-threaded.mjs": "ort-wasm.js",
    "ort-wasm-simd-threaded.wasm": "ort-wasm.wasm",
}
MODEL = "model.onnx"
SAMPLES = "assets/photos"
LICENCES = f"""This page
=========
Code and, unless it names others, network: isegm, Apache License 2.0.
The sample pictures: see pictures/README.md.

onnxruntime-web {VERSION} ({", ".join(PARTS.values())})
====================================================
MIT License. Copyright (c) Microsoft Corporation.

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute,
sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or
substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM,
DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT
OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.

The third parties whose software ONNX Runtime includes are listed in
https://github.com/microsoft/onnxruntime/blob/v{VERSION}/ThirdPartyNotices.txt
"""


def build(
    out: Path,
    loaded: LoadedModel,
    protocol: Protocol,
    cache: Path,
    images: Path | None = None,
) -> None:
    """Write the page into a folder.

    Args:
        out: the folder; files of the same names are replaced.
        loaded: the network.
        protocol: how its views are chosen.
        cache: the folder where the archive of onnxruntime-web is kept.
        images: a folder of sample pictures; None: the package's own photographs.

    Raises:
        IsegmError: the page cannot answer as this protocol asks, the network needs several files,
            or onnxruntime-web cannot be downloaded.
    """
    _check(protocol)
    made = exported(loaded, protocol)
    assemble(out, made, cache, images)


def assemble(out: Path, made: Exported, cache: Path, images: Path | None = None) -> None:
    """``build`` with a network that is exported already."""
    out.mkdir(parents=True, exist_ok=True)
    write(made, out / MODEL)
    _copy_page(out)
    _copy_runtime(out, cache)
    notes = notes_of(made.graphs["decoder"])
    described = {
        "file": MODEL,
        "method": notes["method"],
        "checkpoint": {"name": notes["checkpoint"], "sha256": notes["sha256"]},
        "protocol": notes["protocol"],
        "answers": {**json.loads(notes["answers"]), "view": _settings(notes)},
        "colours": COLOURS,
        "pictures": _copy_pictures(out / "pictures", images or repository_file(SAMPLES)),
    }
    with replacing(out / "model.json") as partial:
        Path(partial).write_text(json.dumps(described, indent=1))
    with replacing(out / "LICENSES.txt") as partial:
        Path(partial).write_text(LICENCES)


def _check(protocol: Protocol) -> None:
    """Raise unless the page's own view rule does what the protocol asks."""
    rule = protocol.rule
    odd = []
    if type(rule) is not ZoomIn:
        odd.append(f"view rule {protocol.view['rule']}")
    else:
        odd += ["inner_clicks"] if rule.inner_clicks else []
        odd += ["skip_clicks: 0"] if rule.skip_clicks == 0 else []
        odd += [f"follow: {rule.follow}"] if rule.follow else []
    odd += ["sis"] if protocol.sis is not None else []
    if odd:
        raise IsegmError(
            f"a page without a server cannot answer as protocol {protocol.label} asks:"
            f" {', '.join(odd)}; choose another --protocol, or run isegm demo"
        )


def _settings(notes: dict[str, str]) -> dict[str, object]:
    """All settings of the view rule, those with default values included."""
    rule = Protocol(**_without_mask(json.loads(notes["answers"]))).rule
    names = ("size", "skip_clicks", "expansion", "min_crop", "threshold", "stale_iou", "max_size")
    more = ("resize_whole", "all_clicks", "first_passes")
    return {name: getattr(rule, name) for name in (*names, *more)}


def _without_mask(answers: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in answers.items() if name != "initial_mask"}


def _copy_page(out: Path) -> None:
    """The demo's page, with the files of ``browser`` in place of the server."""
    # What browser holds replaces what static holds under the same name: api.js.
    for path in (*sorted((HERE / "static").iterdir()), *sorted((HERE / "browser").iterdir())):
        if path.suffix == ".html":
            text = path.read_text(encoding="utf-8").replace('"/static/', '"')
            text = text.replace("<body>", '<body class="local">')
            (out / path.name).write_text(text, encoding="utf-8")
        else:
            shutil.copyfile(path, out / path.name)


def _copy_runtime(out: Path, cache: Path) -> None:
    archive = cache / ARCHIVE
    if archive.is_file():
        check(archive, RUNTIME.file)
    else:
        fetch_file(RUNTIME, RUNTIME.file, archive)
    with tarfile.open(archive) as packed:
        for name, here in PARTS.items():
            content = packed.extractfile(f"package/dist/{name}")
            with content, replacing(out / here) as partial, Path(partial).open("wb") as file:
                shutil.copyfileobj(content, file)


def _copy_pictures(folder: Path, images: Path) -> list[str]:
    kinds = (".jpg", ".jpeg", ".png", ".webp")
    if not images.is_dir():
        raise IsegmError(f"--images {images}: there is no such folder")
    folder.mkdir(parents=True, exist_ok=True)
    chosen = sorted(path for path in images.iterdir() if path.suffix.lower() in kinds)
    notes = images / "README.md"
    for path in (*chosen, *([notes] if notes.is_file() else [])):
        shutil.copyfile(path, folder / path.name)
    return [path.name for path in chosen]
