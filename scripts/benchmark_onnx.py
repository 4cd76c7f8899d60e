"""Time per click on a CPU: torch against onnxruntime, in one run, turn by turn.

    isegm export starter starter.onnx
    python scripts/benchmark_onnx.py --model starter.onnx --images assets/photos

Both engines play the same clicks on the same photographs with one thread each; they take turns, so
that other work on the machine hits both alike. Medians are compared.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this clone's package first
os.environ["OMP_NUM_THREADS"] = "1"  # both runtimes heed it

import isegm
from isegm.cli.running import Formatter, run, say
from isegm.core.errors import IsegmError
from isegm.data.reading import read_image

CLICKS = ((0.5, 0.5, True), (0.15, 0.15, False), (0.6, 0.4, True), (0.4, 0.6, True))
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")


def seconds_per_click(engine: isegm.Engine, image: np.ndarray) -> list[float]:
    """The time of every click of one session."""
    session, spent = engine.start(image, "RGB"), []
    for y, x, positive in CLICKS:
        begun = time.perf_counter()
        row, column = int(y * image.shape[0]), int(x * image.shape[1])
        session = engine.click(session, row, column, positive)
        spent.append(time.perf_counter() - begun)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Formatter)
    parser.add_argument("--model", type=Path, required=True, help="an exported network")
    parser.add_argument("--checkpoint", default="starter", help="what it was exported from")
    parser.add_argument("--images", type=Path, default=Path("assets/photos"))
    parser.add_argument("--turns", type=int, default=5)
    args = parser.parse_args()
    paths = sorted(path for path in args.images.glob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise IsegmError(f"--images {args.images}: there are no pictures in it")
    images = [read_image(path) for path in paths]
    engines = {
        "torch": isegm.Engine(args.checkpoint, device="cpu"),
        "onnxruntime": isegm.Engine(args.model),
    }
    for engine in engines.values():
        seconds_per_click(engine, images[0])  # the first pass allocates memory
    spent: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(args.turns):
        for image in images:
            for name, engine in engines.items():
                spent[name] += seconds_per_click(engine, image)
    middle = {name: 1000 * median(times) for name, times in spent.items()}
    for name, milliseconds in middle.items():
        say(f"{name:12} {milliseconds:6.1f} ms per click, median of {len(spent[name])}")
    say(f"torch takes {middle['torch'] / middle['onnxruntime']:.2f} times as long")


if __name__ == "__main__":
    sys.exit(run(main))
