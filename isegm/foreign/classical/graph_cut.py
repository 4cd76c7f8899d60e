"""Graph cut: the minimum cut between object and background seeds.

Source: Boykov and Jolly, "Interactive graph cuts for optimal boundary and region segmentation",
ICCV 2001: colour histograms of the seeds as region term, contrast as boundary term. The cut is
PyMaxflow's (Boykov and Kolmogorov's max-flow).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from isegm.foreign.classical.base import Classical, Seeds, check_positive
from isegm.utils.extras import needed

UNIT = 100  # costs are whole numbers of hundredths: PyMaxflow is faster on whole numbers
HARD = 10**7  # of seeds; more than any cut costs
# To the right, down, down right, down left: together with their opposites all eight neighbours.
STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))


@dataclass(frozen=True, eq=False)
class Graph:
    """Of one image: the histogram bin of each pixel, and the weight of each edge by step."""

    bins: np.ndarray
    edges: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class GraphCut(Classical):
    """Boykov and Jolly's energy on eight neighbours.

    Region term: ``-log p(colour)`` of each side's histogram, ``bins`` per channel in Lab. The
    object's histogram counts object seeds. The background's counts background seeds and, with the
    weight of one disk in all, every pixel that is no object seed: after the first click nothing
    else is known of it. Boundary term: ``weight * exp(-beta d^2) / distance`` with the colour
    difference d and ``beta = 1 / (2 mean d^2)``, as in GrabCut.

    Attributes:
        radius: of seeds, in pixels of the image.
        weight: of the boundary against the region.
        bins: per channel.
        max_side: see ``Classical``.
    """

    radius: float = 5
    weight: float = 50
    bins: int = 16
    max_side: int | None = 256

    def __post_init__(self) -> None:
        check_positive("graph_cut", radius=self.radius, max_side=self.max_side)
        check_positive("graph_cut", weight=self.weight, bins=self.bins)
        needed("maxflow", "classical", "graph_cut", "PyMaxflow")

    def prepared(self, image: np.ndarray) -> Graph:
        lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float32)
        binned = np.minimum(lab * self.bins / 256, self.bins - 1).astype(np.int64)
        bins = (binned[..., 0] * self.bins + binned[..., 1]) * self.bins + binned[..., 2]
        squares = [((a - b) ** 2).sum(-1) for a, b in (_neighbours(lab, step) for step in STEPS)]
        total, count = sum(s.sum(dtype=float) for s in squares), sum(s.size for s in squares)
        beta = count / (2 * total) if total else 0.0
        edges = []
        for step, square in zip(STEPS, squares, strict=True):
            full = np.zeros(image.shape[:2])
            rows, columns = square.shape
            left = max(0, -step[1])
            full[:rows, left : left + columns] = np.exp(-beta * square) / np.hypot(*step)
            edges.append(_whole(self.weight * full))
        return Graph(bins, tuple(edges))

    def segmented(self, prepared: Graph, seeds: Seeds, previous: np.ndarray) -> np.ndarray:
        maxflow = needed("maxflow", "classical", "graph_cut", "PyMaxflow")
        graph = maxflow.Graph[int](prepared.bins.size, 4 * prepared.bins.size)
        nodes = graph.add_grid_nodes(prepared.bins.shape)
        for (down, right), weights in zip(STEPS, prepared.edges, strict=True):
            structure = np.zeros((3, 3))
            structure[1 + down, 1 + right] = 1
            graph.add_grid_edges(nodes, weights, structure, symmetric=True)
        on, off = self._region(prepared.bins, seeds)
        # An edge to the source is cut if its pixel becomes background.
        graph.add_grid_tedges(nodes, _whole(off) + HARD * seeds.on, _whole(on) + HARD * seeds.off)
        graph.maxflow()
        # PyMaxflow's segments are True on the side of the sink.
        return (~graph.get_grid_segments(nodes)).astype(np.float32)

    def _region(self, bins: np.ndarray, seeds: Seeds) -> tuple[np.ndarray, np.ndarray]:
        """What it costs each pixel to be object and to be background."""
        size = self.bins**3
        on = np.bincount(bins[seeds.on], minlength=size).astype(float)
        others = np.bincount(bins[~seeds.on], minlength=size).astype(float)
        disk = max(1.0, np.pi * self.radius**2)
        off = np.bincount(bins[seeds.off], minlength=size) + others * disk / others.sum()
        costs = []
        for counts in (on, off):
            grid = counts.reshape(self.bins, self.bins, self.bins)
            smooth = _blurred(grid).ravel() + 1e-3
            costs.append(-np.log(smooth / smooth.sum())[bins])
        return costs[0], costs[1]


def _whole(costs: np.ndarray) -> np.ndarray:
    return np.round(UNIT * costs).astype(np.int64)


def _neighbours(values: np.ndarray, step: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Each pixel that has a neighbour at a step, and that neighbour."""
    down, right = step
    rows, columns = values.shape[:2]
    here = values[: rows - down, max(0, -right) : columns - max(0, right)]
    there = values[down:, max(0, right) : columns + min(0, right)]
    return here, there


def _blurred(grid: np.ndarray) -> np.ndarray:
    """A histogram spread over neighbouring bins by (1, 2, 1) / 4 along each channel."""
    for axis in range(grid.ndim):
        padded = np.pad(grid, [(1, 1) if i == axis else (0, 0) for i in range(grid.ndim)], "edge")
        length = grid.shape[axis]
        before, here, after = (np.take(padded, range(i, i + length), axis) for i in range(3))
        grid = (before + 2 * here + after) / 4
    return grid


METHOD = GraphCut
