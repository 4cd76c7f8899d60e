"""Boxes and arrows as SVG."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from html import escape

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
