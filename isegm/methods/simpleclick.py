"""SimpleClick: a plain vision transformer, pretrained as a masked autoencoder (arXiv 2210.11006).

Previous mask and click disks have their own patch embedding, whose tokens are added to those of the
image. Most blocks have windowed attention. A simple pyramid makes four scales from the last map,
and a few convolutions classify every pixel. All views have one fixed, square size from the first
click on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.errors import unknown
from isegm.core.registry import Spec, build, spec
from isegm.core.rounds import Prediction, Round
from isegm.methods.base import ClickModel
from isegm.nn.backbones.plain_vit import PlainViT
from isegm.nn.clicks.disks import Disks
from isegm.nn.fit import check_fit
from isegm.nn.heads.simple_pyramid import PyramidHead, SimplePyramid
from isegm.nn.losses.focal import NormalizedFocalLoss
from isegm.nn.normalise import Normalise

# Channels, blocks, attention heads and patch of the backbone; channels of the pyramid; of the head.
VARIANTS = {
    "xtiny": ((160, 8, 4, 16), (96, 192, 288, 384), 128),
    "base": ((768, 12, 12, 16), (128, 256, 512, 1024), 256),
    "large": ((1024, 24, 16, 16), (192, 384, 768, 1536), 256),
    "huge": ((1280, 32, 16, 14), (240, 480, 960, 1920), 256),
    # Not published: for tests and for training on a CPU.
    "tiny": ((96, 8, 4, 8), (32, 64, 96, 128), 32),
}
WINDOW = 224  # pixels
SMALL_WINDOW = 64  # of "tiny"


class SimpleClick(ClickModel):
    """One pass from image, clicks and previous mask to logits.

    Args:
        backbone: ``forward(image, side) -> map``, with ``out_channels``, ``side_channels``, and
            ``frame(size)``, the smallest valid size that is at least that large.
        neck: from the map to maps of several scales, with ``in_channels`` and ``out_channels``.
        head: ``forward(maps) -> logits``, with ``in_channels``.
        clicks: draws the click maps; default and published: ``Disks(5)``.
        prev_mask: whether the previous mask is an input.
        layer_decay: learning rate of a block relative to the next one. Published: 1, or 0.75 with
            layerwise decay.

    Raises:
        IsegmError: parts whose channels do not fit each other.
    """

    protocol = "simpleclick"

    def __init__(
        self,
        backbone: nn.Module,
        neck: nn.Module,
        head: nn.Module,
        clicks: nn.Module | None = None,
        prev_mask: bool = True,
        layer_decay: float = 1.0,
    ):
        super().__init__()
        check_fit(
            ("backbone.side_channels", backbone.side_channels, 2 + prev_mask),
            ("neck.in_channels", neck.in_channels, backbone.out_channels),
            ("head.in_channels", head.in_channels, neck.out_channels),
        )
        self.backbone, self.neck, self.head = backbone, neck, head
        self.clicks, self.normalise = clicks or Disks(), Normalise()
        self.prev_mask, self.layer_decay = prev_mask, layer_decay
        self.focal = NormalizedFocalLoss(alpha=0.5, gamma=2)

    def forward(self, round_: Round) -> Prediction:
        """One round.

        # differs from the original: views of any size, padded below and on the right if necessary.
        """
        height, width = round_.image.shape[-2:]
        frame = self.backbone.frame((height, width))
        coords = self.clicks(round_.clicks, (height, width))  # B 2 H W
        if self.prev_mask:
            coords = torch.cat([round_.prev_prob, coords], 1)
        image, coords = (_filled_up(x, frame) for x in (self.normalise(round_.image), coords))
        logits = self.head(self.neck(self.backbone(image, coords, round_.features)))
        # float32 before resizing: in bfloat16 the interpolation would quantise the boundary
        return Prediction(resize(logits.float(), frame)[..., :height, :width])

    def encode_image(self, image: Tensor) -> Tensor:
        """The patches of the image, ``B h w C``. Clicks are added to them before the first block,
        so everything later depends on clicks.
        """
        frame = self.backbone.frame(tuple(image.shape[-2:]))
        return self.backbone.before_clicks(_filled_up(self.normalise(image), frame))

    def losses(self, pred: Prediction, target: Tensor, round_: Round) -> dict[str, Tensor]:
        return {"instance": self.focal(pred.logits, target).mean()}

    def lr_multiplier(self, name: str) -> float:
        """For the backbone, the layer decay to the power of the number of later blocks; 1 for the
        rest.

        # differs from the original: with a layer decay its optimiser omits the patch embedding of
        clicks, which here learns at the full rate, like all parts without MAE's weights.
        """
        part, _, rest = name.partition(".")
        if part != "backbone" or rest.startswith("patch_embed_coords."):
            return 1.0
        layer = int(rest.split(".")[1]) + 1 if rest.startswith("blocks.") else 0
        return self.layer_decay ** (len(self.backbone.blocks) + 1 - layer)


def _filled_up(x: Tensor, frame: tuple[int, int]) -> Tensor:
    return F.pad(x, (0, frame[1] - x.shape[-1], 0, frame[0] - x.shape[-2]))


def simpleclick(
    variant: str = "base",
    size: int = 448,
    pyramid: Sequence[int] | None = None,
    upsample: int = 1,
    prev_mask: bool = True,
    click_radius: float = 5,
    **options: Any,
) -> Spec:
    """The spec of SimpleClick; ``options``: more arguments of ``SimpleClick``.

    Args:
        variant: ``"base"``, ``"large"``, ``"huge"``, ``"xtiny"``, or ``"tiny"``, which is not
            published.
        size: rows and columns of training crops, in pixels.
        pyramid: channels of the four scales; by default those published for 448.
        upsample: see ``PyramidHead``; as published, the classifier is narrower by this factor.
    """
    if variant not in VARIANTS:
        raise unknown("SimpleClick", variant, VARIANTS)
    (channels, depth, heads, patch), scales, width = VARIANTS[variant]
    scales, window = tuple(pyramid or scales), SMALL_WINDOW if variant == "tiny" else WINDOW
    body = {"channels": channels, "depth": depth, "heads": heads, "patch": patch}
    body |= {"size": size, "window": window}
    return spec(
        SimpleClick,
        backbone=spec(PlainViT, **body, side_channels=2 + prev_mask),
        neck=spec(SimplePyramid, in_channels=channels, out_channels=scales),
        head=spec(PyramidHead, in_channels=scales, width=width // upsample, upsample=upsample),
        prev_mask=prev_mask,
        **{"clicks": spec(Disks, radius=click_radius), **options},
    )


def tiny() -> SimpleClick:
    """A SimpleClick that runs in milliseconds on a CPU, for tests and for `synthetic`."""
    return build(simpleclick("tiny", 64))
