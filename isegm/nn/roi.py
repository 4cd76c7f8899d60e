"""Cropping boxes with fractional coordinates from feature maps."""

from __future__ import annotations

import torch
from torch import Tensor

from isegm.core.errors import IsegmError


def crop_and_resize(x: Tensor, boxes: Tensor, size: tuple[int, int], scale: float = 1.0) -> Tensor:
    """Crop one box from every sample by ROI align (arXiv 1703.06870), with as many samples per bin
    as it covers pixels.

    Args:
        x: ``B C h w``; computed in float32 under any autocast.
        boxes: ``B 4`` float: left, top, right, bottom.
        size: rows and columns of the result.
        scale: pixels of ``x`` per unit of the boxes.

    Returns:
        ``B C`` times ``size``.
    """
    try:  # here, so that a broken torchvision affects no other method
        from torchvision.ops import roi_align
    except (ImportError, RuntimeError) as error:
        raise IsegmError(
            f"this needs torchvision in the build that fits torch {torch.__version__}: {error}"
        ) from None
    rows = torch.arange(len(x), device=x.device, dtype=torch.float32)[:, None]
    rois = torch.cat([rows, boxes.to(x.device, torch.float32)], 1)
    return roi_align(
        x.float(), rois, tuple(size), spatial_scale=scale, sampling_ratio=-1, aligned=True
    )
