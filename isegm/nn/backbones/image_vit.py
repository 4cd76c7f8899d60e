"""A plain vision transformer that sees nothing but the image, so that its features serve every
click (SegNext, arXiv 2404.00741, section 3.1).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from isegm.core.errors import IsegmError
from isegm.nn.backbones.plain_vit import (
    Patches,
    ViTBlock,
    fitting,
    initialise,
    load_mae,
    resized_positions,
    windows_along,
)
from isegm.nn.recompute import Blocks


class ImageViT(Blocks):
    """Tokens of one size from the patches of an image; no norm follows the last block.

    Args:
        channels: of the tokens. Published: 768.
        depth: number of blocks. Published: 12.
        heads: of the attention. Published: 12.
        patch: rows and columns of a patch in pixels. Published: 16.
        size: rows and columns of the training images, in pixels; there is one positional embedding
            per patch of these. For other sizes they are resized. Published: 1024.
        window: approximate height and width of an attention window in pixels. Published: 224.
        interval: one block in this many, and the last, attends to the whole image. Published: 3.

    Attributes:
        out_channels: of the output, whose stride is ``patch``.

    Raises:
        IsegmError: numbers that do not fit each other.
    """

    def __init__(
        self,
        channels: int = 768,
        depth: int = 12,
        heads: int = 12,
        patch: int = 16,
        size: int = 1024,
        window: int = 224,
        interval: int = 3,
    ):
        super().__init__()
        for what, whole, part in (("channels", channels, heads), ("size", size, patch)):
            if whole < part or whole % part:
                raise IsegmError(f"an image ViT with {what}={whole}: expected a multiple of {part}")
        least = {"window": (window, patch), "interval": (interval, 1), "depth": (depth, 1)}
        for what, (given, smallest) in least.items():
            if given < smallest:
                raise IsegmError(f"an image ViT with {what}={given}: expected at least {smallest}")
        self.out_channels, self.heads, self.patch = channels, heads, patch
        self.grid = (size // patch, size // patch)
        self.window, self.interval = window // patch, interval  # in tokens, in blocks
        self.patch_embed = Patches(3, channels, patch)
        # The first is that of a class token, which files of MAE have and nothing here uses.
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.grid[0] * self.grid[1], channels))
        self.blocks = nn.ModuleList(ViTBlock(channels, heads) for _ in range(depth))
        self.fc_norm = nn.LayerNorm(channels, eps=1e-6).requires_grad_(False)  # unused, in files
        self.apply(initialise)
        with torch.no_grad():  # as the linear layer on the pixels of a patch that it is
            nn.init.xavier_uniform_(self.patch_embed.proj.weight.flatten(1))
        nn.init.normal_(self.pos_embed, std=0.02)

    def forward(self, image: Tensor) -> Tensor:
        """``B 3 H W`` normalised RGB, of a size that ``frame`` returns, to ``B h w C``.

        Raises:
            IsegmError: the windows do not divide the patches of an image of this size.
        """
        size = tuple(image.shape[-2:])
        if size != self.frame(size):
            raise IsegmError(
                f"an image ViT cannot divide a view of {size[0]} x {size[1]} pixels;"
                f" {' x '.join(map(str, self.frame(size)))} is the next size that works"
            )
        x = self.patch_embed(image)
        x = x + resized_positions(self.pos_embed[:, 1:], self.grid, tuple(x.shape[1:3]))
        windows = windows_along(x.shape[1:3], self.window)
        for number, block in enumerate(self.blocks, 1):
            whole = number % self.interval == 0 or number == len(self.blocks)
            x = self.run(block, x, (1, 1) if whole else windows)
        return x

    def frame(self, size: tuple[int, int]) -> tuple[int, int]:
        """The smallest valid size that is at least ``size``: rows and columns in pixels."""
        return fitting(size, self.patch, self.window)

    def load_pretrained(self, path: str | Path) -> None:
        """Load MAE's file (mae_pretrain_vit_base.pth); see ``load_mae``."""
        load_mae(self, path, without=("fc_norm.",))
