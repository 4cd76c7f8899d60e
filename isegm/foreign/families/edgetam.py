"""EdgeTAM (Zhou et al., CVPR 2025) on images, through ``EdgeTamModel`` of transformers."""

from __future__ import annotations

from isegm.foreign.families.base import Stabilised


class EdgeTam(Stabilised):
    """SAM 2 with a small encoder (RepViT)."""

    MODEL, PROCESSOR, TYPES = "EdgeTamModel", "Sam2Processor", ("edgetam", "edgetam_video")


FAMILY = EdgeTam
