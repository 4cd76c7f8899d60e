"""Draw the diagrams of docs/pictures as SVG.

    python scripts/draw_diagrams.py
    python scripts/draw_diagrams.py --check

A diagram is a list of boxes and of arrows between their sides. Every picture has a light background
of its own, so that it is readable on dark pages too. With --check nothing is written; the status
is 1 if a picture is not what this script draws.
"""

from __future__ import annotations

import itertools
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this clone's package first

from generated import write_or_check  # noqa: E402

from isegm.cli.running import run  # noqa: E402

LINE, INK, GROUND = 18, "#1f2933", "#fbfaf7"
FILLS = {
    "value": "#dcebfa",  # what is passed on
    "part": "#e4f1e1",  # what computes
    "kept": "#fdeecb",  # what stays from click to click
    "answer": "#fbdfd3",
    "plain": "#ffffff",
}
FONT = "font-family='Helvetica, Arial, sans-serif'"


@dataclass(frozen=True)
class Box:
    """Its middle and size in pixels; the first line of the text is bold."""

    x: int
    y: int
    text: str
    kind: str = "part"
    width: int = 150
    height: int = 0

    @property
    def rows(self) -> int:
        return self.height or LINE * len(self.text.split("\n")) + 16

    def side(self, name: str) -> tuple[int, int]:
        half = {"l": (-1, 0), "r": (1, 0), "t": (0, -1), "b": (0, 1)}[name]
        return self.x + half[0] * self.width // 2, self.y + half[1] * self.rows // 2

    def svg(self) -> str:
        left, top = self.x - self.width // 2, self.y - self.rows // 2
        shape = (
            f"<rect x='{left}' y='{top}' width='{self.width}' height='{self.rows}' rx='8'"
            f" fill='{FILLS[self.kind]}' stroke='{INK}' stroke-width='1.2'/>"
        )
        lines = self.text.split("\n")
        first = self.y - LINE * (len(lines) - 1) / 2 + 5
        words = []
        for i, line in enumerate(lines):
            weight = "" if i else " font-weight='bold'"
            place = f"x='{self.x}' y='{first + LINE * i:g}' text-anchor='middle'{weight}"
            words.append(f"<text {place}>{escape(line)}</text>")
        return "\n".join([shape, *words])


@dataclass(frozen=True)
class Arrow:
    """From a side of one box to a side of another, e.g. ``("image.r", "net.l")``.

    Attributes:
        label: beside the middle of the longest stretch.
        via: corners on the way.
        dashed: only sometimes.
    """

    start: str
    end: str
    label: str = ""
    via: tuple[tuple[int, int], ...] = ()
    dashed: bool = False

    def svg(self, boxes: dict[str, Box]) -> str:
        ends = [boxes[name].side(side) for name, side in map(self._split, (self.start, self.end))]
        points = [ends[0], *self.via, ends[1]]
        path = " ".join(f"{x},{y}" for x, y in points)
        dashes = " stroke-dasharray='5 4'" if self.dashed else ""
        out = [
            f"<polyline points='{path}' fill='none' stroke='{INK}' stroke-width='1.4'{dashes}"
            " marker-end='url(#head)'/>"
        ]
        stretches = list(itertools.pairwise(points))
        (x0, y0), (x1, y1) = max(
            stretches, key=lambda s: abs(s[0][0] - s[1][0]) + abs(s[0][1] - s[1][1])
        )
        for i, line in enumerate(self.label.split("\n") if self.label else ()):
            flat = y0 == y1
            x = (x0 + x1) / 2 if flat else x0 + 8
            y = y0 - 8 - 16 * (self.label.count("\n") - i) if flat else (y0 + y1) / 2 + 5 + 16 * i
            anchor = "middle" if flat else "start"
            out.append(
                f"<text x='{x:g}' y='{y:g}' text-anchor='{anchor}' font-size='12.5'"
                f" font-style='italic'>{escape(line)}</text>"
            )
        return "\n".join(out)

    @staticmethod
    def _split(text: str) -> list[str]:
        return text.split(".")


@dataclass(frozen=True)
class Diagram:
    title: str
    width: int
    height: int
    boxes: dict[str, Box]
    arrows: tuple[Arrow, ...] = ()
    notes: tuple[tuple[int, int, str], ...] = ()

    def svg(self) -> str:
        head = (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {self.width} {self.height}'"
            f" width='{self.width}' height='{self.height}' role='img' {FONT} font-size='14'"
            f" fill='{INK}'>\n<title>{escape(self.title)}</title>\n"
            "<defs><marker id='head' viewBox='0 0 10 10' refX='9' refY='5' markerWidth='7'"
            f" markerHeight='7' orient='auto'><path d='M0,0 L10,5 L0,10 z' fill='{INK}'/>"
            "</marker></defs>\n"
            f"<rect width='{self.width}' height='{self.height}' rx='10' fill='{GROUND}'/>"
        )
        notes = [
            f"<text x='{x}' y='{y}' font-size='13'>{escape(text)}</text>"
            for x, y, text in self.notes
        ]
        body = [a.svg(self.boxes) for a in self.arrows] + [b.svg() for b in self.boxes.values()]
        return "\n".join([head, *body, *notes, "</svg>", ""])


def chain(*names: str) -> tuple[Arrow, ...]:
    """Arrows from left to right."""
    return tuple(Arrow(f"{a}.r", f"{b}.l") for a, b in itertools.pairwise(names))


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
    ("demo", "the web application"),
    ("evaluation", "simulated users, metrics, result files, tables"),
    ("inference  |  training", "predictor, view rules, protocols  |  trainer"),
    ("originals  |  foreign", "checkpoints of other code bases  |  models of others"),
    ("methods  |  data", "one file per paper  |  sources, sampling, augmentation"),
    ("nn  |  zoo", "backbones, heads, click maps, losses  |  published files by name"),
    ("core, utils", "values, specs, errors; configuration, pictures, processes"),
)
LAYERS = Diagram(
    "A module imports only lower layers or its own folder",
    700,
    470,
    {
        name: Box(350, 60 + 50 * i, f"{name}\n{text}", "part" if i % 2 else "value", 560, 44)
        for i, (name, text) in enumerate(LAYER_ROWS)
    },
    notes=(
        (30, 24, "imports point down only; folders beside each other do not know each other"),
        *((38, 65 + 50 * i, str(7 - i)) for i in range(8)),
        (70, 458, "isegm/reference (layer 8) holds slow twins for tests; nothing imports it."),
    ),
)

RITM = Diagram(
    "RITM",
    860,
    250,
    {
        "image": Box(80, 70, "Image\nnormalized", "plain", 120),
        "maps": Box(80, 175, "Previous mask,\nclick disks (+, -)", "plain", 140),
        "conv": Box(265, 70, "First convolution\nstride 2", width=140),
        "fuse": Box(265, 175, "Conv1S\n1x1, 3x3 stride 2, scale", width=180),
        "plus": Box(405, 70, "+", "plain", 34),
        "hrnet": Box(515, 70, "HRNet\n4 resolutions,\nconcatenated at 1/4", width=150),
        "ocr": Box(682, 70, "OCR head\nfirst guess pools the\nobject's features", width=150),
        "out": Box(800, 175, "Logits\n1/4, resized", "answer", 105),
    },
    (
        *chain("image", "conv", "plus", "hrnet", "ocr"),
        Arrow("maps.r", "fuse.l"),
        Arrow("fuse.r", "plus.b", via=((405, 175),)),
        Arrow("ocr.r", "out.t", via=((800, 70),)),
        Arrow("out.b", "maps.b", "previous mask of the next click", via=((800, 232), (80, 232))),
    ),
)

FOCALCLICK = Diagram(
    "FocalClick",
    860,
    330,
    {
        "target": Box(
            95, 70, "Target crop, 256 x 256\nimage, previous mask,\nclick disks", "plain", 170
        ),
        "seg": Box(315, 70, "Segmentor\nHRNet + OCR\nor SegFormer", width=150),
        "coarse": Box(510, 70, "Coarse logits\nand features", "value", 130),
        "find": Box(735, 70, "Focus box\naround the change\nthat holds the click", width=170),
        "focus": Box(95, 225, "Focus crop, 256 x 256\nimage, click disks", "plain", 170),
        "refine": Box(
            510,
            225,
            "Local refiner\nfeatures and coarse logits of\nthe crop (ROI align)",
            width=210,
        ),
        "out": Box(750, 225, "Answer\nreplaces the coarse one\nin the focus box", "answer", 170),
    },
    (
        *chain("target", "seg", "coarse", "find"),
        Arrow("coarse.b", "refine.t"),
        Arrow("focus.r", "refine.l", "at the resolution of the image"),
        Arrow("find.b", "focus.t", via=((735, 150), (95, 150))),
        Arrow("refine.r", "out.l"),
    ),
    (
        (
            30,
            310,
            "A mask to start from changes only in the region that was clicked (progressive merge).",
        ),
    ),
)

EMC = Diagram(
    "EMC-Click",
    860,
    350,
    {
        "first": Box(95, 70, "First click only\nimage, its disk", "plain", 150),
        "base": Box(310, 70, "Base\nHRNet + OCR or\nSegFormer: runs once", width=170),
        "features": Box(560, 60, "Features", "kept", 130),
        "guess": Box(560, 120, "First mask", "kept", 130),
        "all": Box(95, 225, "Every click\nimage, disks of\nall clicks, last mask", "plain", 150),
        "net": Box(
            470,
            225,
            "Correction network\n2K templates of object and background:\nattention and correlation",
            width=290,
        ),
        "out": Box(745, 225, "Logits\nthe whole mask, at 1/4", "answer", 170),
    },
    (
        *chain("first", "base"),
        Arrow("base.r", "features.l", via=((430, 70), (430, 60))),
        Arrow("base.r", "guess.l", via=((430, 70), (430, 120))),
        Arrow("features.r", "net.t", via=((655, 60), (655, 172), (470, 172))),
        Arrow("guess.b", "all.t", via=((560, 155), (95, 155))),
        Arrow("all.r", "net.l"),
        Arrow("net.r", "out.l"),
        Arrow(
            "out.b",
            "all.b",
            "last mask, kept with the features in the session",
            via=((745, 300), (95, 300)),
        ),
    ),
    ((30, 335, "A view that moved runs the base again, still guided by the first click alone."),),
)

FCFI = Diagram(
    "FCFI",
    860,
    350,
    {
        "image": Box(85, 70, "Image, click disks\n(previous mask)", "plain", 150),
        "body": Box(285, 70, "RITM's network\nup to its features", width=150),
        "features": Box(470, 70, "Features", "value", 100),
        "feedback": Box(85, 215, "Feedback\nthe last answer", "kept", 140),
        "focus": Box(
            300,
            215,
            "Focused correction\nnear the click: a place\nthat looks like it moves\nto its label",
            width=200,
        ),
        "one": Box(475, 215, "Feedback 1", "value", 100),
        "fusion": Box(
            640,
            140,
            "Collaborative fusion\nfeedback 2, and a gated\nresidual to the features",
            width=180,
        ),
        "rest": Box(765, 255, "Rest of RITM's\nnetwork", width=130),
        "out": Box(620, 300, "Logits", "answer", 90),
    },
    (
        *chain("image", "body", "features"),
        Arrow("features.r", "fusion.t", via=((640, 70),)),
        Arrow("features.b", "focus.t", via=((470, 130), (300, 130))),
        *chain("feedback", "focus", "one"),
        Arrow("one.r", "fusion.b", via=((640, 215),)),
        Arrow("fusion.r", "rest.t", "", via=((765, 140),)),
        Arrow("rest.b", "out.r", via=((765, 300),)),
        Arrow("out.l", "feedback.b", "feedback of the next click", via=((85, 300),)),
    ),
)

SIMPLECLICK = Diagram(
    "SimpleClick",
    860,
    250,
    {
        "image": Box(85, 70, "Image\n448 x 448", "plain", 120),
        "maps": Box(85, 175, "Previous mask,\nclick disks (+, -)", "plain", 140),
        "embed": Box(250, 70, "Patch embedding\nof MAE", width=140),
        "embed2": Box(250, 175, "Patch embedding\nof its own", width=140),
        "plus": Box(365, 70, "+", "plain", 34),
        "vit": Box(480, 70, "Plain ViT\nwindow attention, 2 or 4\nblocks attend to all", width=170),
        "pyramid": Box(670, 70, "Simple pyramid\nthe last map at\n4, 2, 1 and 1/2 x", width=140),
        "mlp": Box(670, 175, "1x1 convolutions\nat the finest size", width=140),
        "out": Box(505, 175, "Logits\nresized", "answer", 100),
    },
    (
        *chain("image", "embed", "plus", "vit", "pyramid"),
        Arrow("maps.r", "embed2.l"),
        Arrow("embed2.r", "plus.b", via=((365, 175),)),
        Arrow("pyramid.b", "mlp.t"),
        Arrow("mlp.l", "out.r"),
        Arrow("out.b", "maps.b", "previous mask of the next click", via=((505, 232), (85, 232))),
    ),
)

DIAGRAMS = {
    "loop.svg": LOOP,
    "layers.svg": LAYERS,
    "ritm.svg": RITM,
    "focalclick.svg": FOCALCLICK,
    "emc_click.svg": EMC,
    "fcfi.svg": FCFI,
    "simpleclick.svg": SIMPLECLICK,
}


def main() -> int:
    files = {f"docs/pictures/{name}": diagram.svg() for name, diagram in DIAGRAMS.items()}
    return write_or_check(__doc__, "draw_diagrams.py", files)


if __name__ == "__main__":
    raise SystemExit(run(main))
