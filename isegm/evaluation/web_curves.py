"""Curves of a report as inline SVG: lines, bands, axes, and small ones for single objects.

Colors come from the page's style sheet: series i has the class ``c<i>``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH, HEIGHT = 520, 300
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 10, 40
COLORS = 8  # that the style sheet has
Place = Callable[[float], float]


@dataclass(frozen=True)
class Series:
    """One line: its values (0 to 1) at click 1, 2, ..., and the band around it, None for none."""

    name: str
    values: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    color: int = 0


def chart(series: Sequence[Series], unit: str) -> str:
    """An SVG element of curves against clicks, in percent.

    Args:
        unit: what the y axis says, e.g. ``"mean IoU (%)"``.
    """
    clicks = max(len(s.values) for s in series)
    known = [part for s in series for part in (s.values, s.low, s.high) if part is not None]
    least = min(float(part.min()) for part in known)
    step = 0.1 if least >= 0.4 else 0.2
    bottom = step * math.floor(min(0.9, least) / step)
    inner = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM)

    def x(click: float) -> float:
        return LEFT + inner[0] * (click - 1) / max(1, clicks - 1)

    def y(value: float) -> float:
        return TOP + inner[1] * (1 - (value - bottom) / (1 - bottom))

    def points(values: np.ndarray) -> list[str]:
        return [f"{x(i):.1f},{y(float(v)):.1f}" for i, v in enumerate(values, 1)]

    title = escape(f"{unit} against clicks: {', '.join(s.name for s in series)}")
    parts = [f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">']
    parts += _axes(clicks, np.arange(bottom, 1 + 1e-9, step), unit, x, y)
    for s in series:
        if s.low is not None and s.high is not None:
            outline = " ".join(points(s.low) + points(s.high)[::-1])
            parts.append(f'<polygon class="band c{s.color % COLORS}" points="{outline}"/>')
    for s in series:
        line = " ".join(points(s.values))
        name = f"<title>{escape(s.name)}</title>"
        parts.append(
            f'<polyline class="line c{s.color % COLORS}" points="{line}">{name}</polyline>'
        )
    return "".join([*parts, "</svg>"])


def sparkline(ious: Sequence[float], limit: int, color: int = 0, goal: float = 0.9) -> str:
    """A small curve of one object from 0 to 1, with a rule at ``goal``."""
    width, height = 150, 40
    step = (width - 6) / max(1, limit - 1)
    dots = [(3 + step * i, 3 + (height - 6) * (1 - v)) for i, v in enumerate(ious)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
    rule = 3 + (height - 6) * (1 - goal)
    x, y = dots[-1]
    end = f'<circle class="dot c{color % COLORS}" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>'
    return (
        f'<svg class="spark" viewBox="0 0 {width} {height}" role="img" aria-label="IoU per click">'
        f'<line class="grid" x1="0" x2="{width}" y1="{rule:.1f}" y2="{rule:.1f}"/>'
        f'<polyline class="line c{color % COLORS}" points="{line}"/>{end}</svg>'
    )


def _axes(clicks: int, ticks: np.ndarray, unit: str, x: Place, y: Place) -> list[str]:
    parts = []
    right, foot = WIDTH - RIGHT, HEIGHT - BOTTOM
    for value in ticks:
        place = y(float(value))
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{place:.1f}" y2="{place:.1f}"/>'
        )
        parts.append(_text(LEFT - 6, place + 4, f"{100 * value:.0f}", "end"))
    every = max(1, round(clicks / 10))
    for click in (1, *(k for k in range(every, clicks + 1, every) if k - 1 >= every)):
        parts.append(_text(x(click), foot + 16, str(click)))
    parts.append(_text((LEFT + right) / 2, HEIGHT - 6, "clicks"))
    middle = (TOP + foot) / 2
    parts.append(f'<g transform="rotate(-90 11 {middle})">{_text(11, middle, unit)}</g>')
    return parts


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
