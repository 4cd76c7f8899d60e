"""SAM 2 and 2.1 (Ravi et al., 2024) on images, through ``Sam2Model`` of transformers."""

from __future__ import annotations

from isegm.foreign.families.base import Stabilised


class Sam2(Stabilised):
    """The image is stretched to 1024 x 1024. Folders of the video model hold the same network."""

    MODEL, PROCESSOR, TYPES = "Sam2Model", "Sam2Processor", ("sam2", "sam2_video")


FAMILY = Sam2
