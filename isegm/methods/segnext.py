"""SegNext: image features once, a light decoder for every click (arXiv 2404.00741, CVPR 2024).

A plain vision transformer sees the image alone. Previous mask and click disks, a dense map of three
channels, are embedded in patches of the same size and added to its features. None, one or two
transformer blocks mix the two ("sax"), and SimpleClick's pyramid and head classify every pixel. As
long as the view stands still, a click runs only the part after the features (``encode_image``).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.clicks import Clicks
from isegm.core.errors import IsegmError, unknown
from isegm.core.registry import Spec, build, spec
from isegm.core.rounds import Prediction, Round
from isegm.methods.base import ClickModel
from isegm.nn.backbones.image_vit import ImageViT
from isegm.nn.backbones.plain_vit import Patches, ViTBlock
from isegm.nn.clicks.disks import Disks
from isegm.nn.fit import check_fit
from isegm.nn.heads.simple_pyramid import PyramidHead, SimplePyramid
from isegm.nn.losses.focal import NormalizedFocalLoss
from isegm.nn.normalise import Normalise

# Channels, blocks, attention heads, patch and window of the backbone; of the pyramid; of the head.
VARIANTS = {
    "base": ((768, 12, 12, 16, 224), (128, 256, 512, 1024), 256),
    # Not published: for tests and for training on a CPU.
    "tiny": ((96, 6, 4, 8, 64), (32, 64, 96, 128), 32),
}
PROMPTS = 3  # previous mask, clicks on the object, clicks off it
FUSION_EPS = 1e-5  # of the norms that follow the prompts; those of the backbone have 1e-6


class SegNext(ClickModel):
    """Image features, a prompt map, and a decoder of the two.

    Args:
        backbone: ``forward(image) -> B h w C``, with ``out_channels``, ``heads``, ``patch``, and
            ``frame(size)``, the smallest valid size that is at least that large.
        neck: from the fused map to maps of several scales, with ``in_channels`` and
            ``out_channels``.
        head: ``forward(maps) -> logits``, with ``in_channels``.
        sax: self-attention blocks after the prompts are added. Published: 0, 1, 2.
        clicks: draws the click maps; default and published: ``Disks(5)``.

    Raises:
        IsegmError: parts whose channels do not fit each other, or a negative number of blocks.
    """

    protocol = "segnext"

    def __init__(
        self,
        backbone: nn.Module,
        neck: nn.Module,
        head: nn.Module,
        sax: int = 1,
        clicks: nn.Module | None = None,
    ):
        super().__init__()
        check_fit(
            ("neck.in_channels", neck.in_channels, backbone.out_channels),
            ("head.in_channels", head.in_channels, neck.out_channels),
        )
        if sax < 0:
            raise IsegmError(f"sax={sax}: expected a number of blocks, 0 or more")
        width, heads = backbone.out_channels, backbone.heads
        self.backbone, self.neck, self.head = backbone, neck, head
        self.prompts = Patches(PROMPTS, width, backbone.patch)
        self.fusion = nn.ModuleList(ViTBlock(width, heads, FUSION_EPS) for _ in range(sax))
        self.clicks, self.normalise = clicks or Disks(), Normalise()
        self.focal = NormalizedFocalLoss(alpha=0.5, gamma=2)

    def forward(self, round_: Round) -> Prediction:
        """One round. The backbone runs unless the round brings its features of this view.

        # differs from the original: views of any size, padded below and on the right if necessary.
        """
        features = round_.features
        if features is None:
            features = self.encode_image(round_.image)
        height, width = size = tuple(round_.image.shape[-2:])
        frame = self.backbone.frame(size)
        x = features + self.prompts(_filled_up(self.prompt_map(round_), frame))  # B h w C
        for block in self.fusion:
            x = block(x, (1, 1))
        logits = self.head(self.neck(x.permute(0, 3, 1, 2)))
        # float32 before resizing: in bfloat16 the interpolation would quantise the boundary
        return Prediction(resize(logits.float(), frame)[..., :height, :width])

    def encode_image(self, image: Tensor) -> Tensor:
        """``B 3 H W`` in [0, 1] to its features, ``B h w C``; no click is involved."""
        frame = self.backbone.frame(tuple(image.shape[-2:]))
        return self.backbone(_filled_up(self.normalise(image), frame))

    def prompt_map(self, round_: Round) -> Tensor:
        """``B 3 H W``: previous mask, disks of object clicks and of background clicks.

        Disks are centred on whole pixels of the view: positions are rounded, halves up.
        """
        centred = Clicks((round_.clicks.yx + 0.5).floor(), round_.clicks.label)
        disks = self.clicks(centred, tuple(round_.image.shape[-2:]))
        return torch.cat([round_.prev_prob, disks], 1)

    def losses(self, pred: Prediction, target: Tensor, round_: Round) -> dict[str, Tensor]:
        return {"instance": self.focal(pred.logits, target).mean()}


def _filled_up(x: Tensor, frame: tuple[int, int]) -> Tensor:
    return F.pad(x, (0, frame[1] - x.shape[-1], 0, frame[0] - x.shape[-2]))


def segnext(
    variant: str = "base", size: int = 1024, sax: int = 1, click_radius: float = 5, **options: Any
) -> Spec:
    """The spec of SegNext; ``options``: more arguments of ``SegNext``.

    Args:
        variant: ``"base"``, or ``"tiny"``, which is not published.
        size: rows and columns of training images, in pixels.
        sax: see ``SegNext``.
    """
    if variant not in VARIANTS:
        raise unknown("SegNext", variant, VARIANTS)
    (channels, depth, heads, patch, window), scales, width = VARIANTS[variant]
    body = {"channels": channels, "depth": depth, "heads": heads, "patch": patch}
    return spec(
        SegNext,
        backbone=spec(ImageViT, **body, size=size, window=window, interval=3),
        neck=spec(SimplePyramid, in_channels=channels, out_channels=scales),
        head=spec(PyramidHead, in_channels=scales, width=width, spare=False),
        sax=sax,
        **{"clicks": spec(Disks, radius=click_radius), **options},
    )


def tiny() -> SegNext:
    """A SegNext that runs in milliseconds on a CPU, for tests and for `synthetic`."""
    return build(segnext("tiny", 64))
