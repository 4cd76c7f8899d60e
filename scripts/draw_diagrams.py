"""Draw the diagrams of docs/pictures as SVG.

    python scripts/draw_diagrams.py
    python scripts/draw_diagrams.py --check

A diagram is a list of boxes and of arrows between their sides. Every picture has a light background
of its own, so that it is readable on dark pages too. With --check nothing is written; the status
is 1 if a picture is not what this script draws.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this clone's package first

from drawing import Arrow, Box, Diagram  # noqa: E402
from generated import write_or_check  # noqa: E402
from method_diagrams import METHODS  # noqa: E402

from isegm.cli.running import run  # noqa: E402

LOOP = Diagram(
    "A click makes a new session out of a session",
    860,
    250,
    {
        "user": Box(85, 75, "User\nor simulated user", "plain", 140),
        "session": Box(290, 75, "Session\nimage, clicks, mask,\ncrop, state", "value", 150),
        "round": Box(500, 75, "Round\nwhat the network\nsees, in batches", "value", 140),
        "model": Box(678, 75, "ClickModel\none paper,\none file", "part", 120),
        "answer": Box(790, 190, "Prediction\nlogits, state", "value", 110),
        "new": Box(290, 190, "New session\nthe old one stays: undo", "value", 190),
    },
    (
        Arrow("user.r", "session.l", "Click"),
        Arrow("session.r", "round.l", "view rule"),
        Arrow("round.r", "model.l"),
        Arrow("model.r", "answer.t", via=((790, 75),)),
        Arrow("answer.l", "new.r", "Predictor: back into the image, refine"),
        Arrow("new.l", "user.b", "mask", via=((85, 190),)),
    ),
)

LAYER_ROWS = (
    ("cli", "commands, one file each"),
    ("bridges", "the tools people label with, one file each"),
    ("demo  |  selftest", "the web application  |  checks of a machine"),
    ("evaluation  |  export", "simulated users, metrics, result files, tables  |  ONNX files"),
    ("inference  |  training", "predictor, view rules, protocols  |  trainer"),
    ("originals  |  foreign", "checkpoints of other code bases  |  models of others"),
    ("methods  |  data", "one file per paper  |  sources, sampling, augmentation"),
    ("nn  |  zoo", "backbones, heads, click maps, losses  |  published files by name"),
    ("core, utils", "values, specs, errors; configuration, pictures, processes"),
)
LAYERS = Diagram(
    "A module imports only lower layers or its own folder",
    700,
    520,
    {
        name: Box(350, 60 + 50 * i, f"{name}\n{text}", "part" if i % 2 else "value", 560, 44)
        for i, (name, text) in enumerate(LAYER_ROWS)
    },
    notes=(
        (30, 24, "imports point down only; folders beside each other do not know each other"),
        *((38, 65 + 50 * i, str(8 - i)) for i in range(9)),
        (70, 508, "isegm/reference (layer 9) holds slow twins for tests; nothing imports it."),
    ),
)

DIAGRAMS = {"loop.svg": LOOP, "layers.svg": LAYERS, **METHODS}


def main() -> int:
    files = {f"docs/pictures/{name}": diagram.svg() for name, diagram in DIAGRAMS.items()}
    return write_or_check(__doc__, "draw_diagrams.py", files)


if __name__ == "__main__":
    raise SystemExit(run(main))
