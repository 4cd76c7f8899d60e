"""Masks as polygons, for tools that know no masks."""

from __future__ import annotations

import cv2
import numpy as np

LEAST_SHARE = 0.01  # of the largest part: smaller ones would only litter the drawing


def outlines(mask: np.ndarray, fineness: float = 0.001) -> list[np.ndarray]:
    """The outer borders of a mask's parts, the largest part first; each is ``N 2`` float, x and y
    of pixel centers, N at least 3.

    Holes are lost, and so are parts of less than ``LEAST_SHARE`` of the largest one.

    Args:
        mask: ``H W`` bool.
        fineness: how far a polygon may be off the border, as a share of the border's length.
    """
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    parts = sorted(found, key=cv2.contourArea, reverse=True)
    least = LEAST_SHARE * cv2.contourArea(parts[0]) if parts else 0
    simple = [
        cv2.approxPolyDP(part, fineness * cv2.arcLength(part, True), True)[:, 0]
        for part in parts
        if cv2.contourArea(part) >= least
    ]
    return [polygon.astype(float) for polygon in simple if len(polygon) >= 3]
