"""SAM 3's tracker, its part that answers points, through ``Sam3TrackerModel`` of transformers."""

from __future__ import annotations

from isegm.foreign.families.base import Stabilised


class Sam3Tracker(Stabilised):
    """The image is stretched to 1008 x 1008."""

    MODEL, PROCESSOR = "Sam3TrackerModel", "Sam3TrackerProcessor"
    TYPES = ("sam3_tracker", "sam3_tracker_video", "sam3_video", "sam3")


FAMILY = Sam3Tracker
