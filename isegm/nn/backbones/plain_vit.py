"""The plain vision transformer (arXiv 2010.11929) on large images: one scale, and attention within
windows in most blocks.

It is ViTDet's version (arXiv 2203.16527, section 3) with SimpleClick's second patch embedding for
clicks. Parameter names follow the original, so MAE's weights and published checkpoints map by
prefix.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.core.errors import IsegmError
from isegm.nn.recompute import Blocks
from isegm.nn.weights import load_backbone, pretrained_tensors

CLASSES = 1000  # of the classifier that published checkpoints hold
UNUSED = ("cls_token", "fc_norm.", "head.")


class PlainViT(Blocks):
    """Tokens of one size from patches of image and clicks; no norm follows the last block.

    # differs from the original: windows cannot be shuffled over the image at test time
    ("random_split").

    Args:
        channels: of the tokens. Published: 768 (base), 1024 (large), 1280 (huge).
        depth: number of blocks, a multiple of 4. Published: 12, 24, 32.
        heads: of the attention. Published: 12, 16, 16.
        patch: rows and columns of a patch in pixels. Published: 16, and 14 for huge.
        size: rows and columns of the training images, in pixels; there is one positional embedding
            per patch of these. For other sizes they are resized.
        window: approximate height and width of an attention window in pixels. Published: 224.
        side_channels: coordinate features: two click maps, and the previous mask.

    Attributes:
        out_channels: of the output, whose stride is ``patch``.
        interval: one block in this many attends to the whole image.

    Raises:
        IsegmError: numbers that do not fit each other.
    """

    def __init__(
        self,
        channels: int = 768,
        depth: int = 12,
        heads: int = 12,
        patch: int = 16,
        size: int = 448,
        window: int = 224,
        side_channels: int = 3,
    ):
        super().__init__()
        for what, whole, part in (
            ("channels", channels, heads),
            ("depth", depth, 4),
            ("size", size, patch),
        ):
            if whole < part or whole % part:
                raise IsegmError(f"a plain ViT with {what}={whole}: expected a multiple of {part}")
        if window < patch:
            raise IsegmError(
                f"a plain ViT with window={window}: expected at least the {patch} pixels of a patch"
            )
        self.out_channels, self.side_channels, self.patch = channels, side_channels, patch
        self.grid = (size // patch, size // patch)
        self.window = window // patch  # in tokens
        self.interval = 6 if depth == 12 else depth // 4
        self.patch_embed = Patches(3, channels, patch)
        self.patch_embed_coords = Patches(side_channels, channels, patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, channels), requires_grad=False)
        places = 1 + self.grid[0] * self.grid[1]  # the first is that of cls_token
        self.pos_embed = nn.Parameter(torch.zeros(1, places, channels))
        self.blocks = nn.ModuleList(ViTBlock(channels, heads) for _ in range(depth))
        # Unused, like cls_token, but in published checkpoints.
        self.fc_norm = nn.LayerNorm(channels, eps=1e-6).requires_grad_(False)
        self.head = nn.Linear(channels, CLASSES).requires_grad_(False)
        self.apply(initialise)
        with torch.no_grad():  # as the linear layer on the pixels of a patch that it is
            nn.init.xavier_uniform_(self.patch_embed.proj.weight.flatten(1))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)

    def forward(
        self, image: Tensor, side: Tensor | None = None, known: Tensor | None = None
    ) -> Tensor:
        """Extract features.

        Args:
            image: ``B 3 H W`` normalised RGB, of a size that ``frame`` returns.
            side: ``B K H W`` coordinate features, or None.
            known: ``before_clicks`` of this image, if it was computed before.

        Returns:
            ``B C h w``, h = H / patch and w = W / patch.

        Raises:
            IsegmError: the windows do not divide the patches of an image of this size.
        """
        size = tuple(image.shape[-2:])
        if size != self.frame(size):
            raise IsegmError(
                f"a plain ViT with patches of {self.patch} pixels and windows of {self.window}"
                f" patches cannot divide a view of {size[0]} x {size[1]} pixels;"
                f" {' x '.join(map(str, self.frame(size)))} is the next size that works"
            )
        x = self.before_clicks(image) if known is None else known  # B h w C
        if side is not None:
            x = x + self.patch_embed_coords(side)
        x = x + resized_positions(self.pos_embed[:, 1:], self.grid, tuple(x.shape[1:3]))
        windows = windows_along(x.shape[1:3], self.window)
        for number, block in enumerate(self.blocks, 1):
            x = self.run(block, x, windows if number % self.interval else (1, 1))
        return x.permute(0, 3, 1, 2)

    def before_clicks(self, image: Tensor) -> Tensor:
        """The part of ``forward`` that clicks do not reach: the patches of the image, ``B h w C``.
        Tokens of clicks are added to them, and all blocks see the sum.

        Args:
            image: as in ``forward``.
        """
        return self.patch_embed(image)

    def frame(self, size: tuple[int, int]) -> tuple[int, int]:
        """The smallest valid size that is at least ``size``: rows and columns in pixels. 448 and
        672 are valid.

        # differs from the original: it accepts only valid sizes of at least one window.
        """
        return fitting(size, self.patch, self.window)

    def load_pretrained(self, path: str | Path) -> None:
        """Load MAE's file (mae_pretrain_vit_base.pth), or another of a ViT with a class token,
        except into the input for clicks.

        Positional embeddings are resized to the grid of this network.

        Raises:
            IsegmError: the file cannot be read, holds no ViT, or one of another size.
        """
        load_mae(self, path, without=("patch_embed_coords.", *UNUSED))


class Patches(nn.Module):
    """A linear layer on adjacent patches."""

    def __init__(self, inputs: int, outputs: int, patch: int):
        super().__init__()
        self.proj = nn.Conv2d(inputs, outputs, patch, stride=patch)

    def forward(self, x: Tensor) -> Tensor:
        """``B K H W`` to ``B h w C``."""
        return self.proj(x).permute(0, 2, 3, 1)


class ViTBlock(nn.Module):
    """Attention and a feed-forward network, each with a norm before it and a shortcut around it.

    Args:
        eps: of the norms.
    """

    def __init__(self, channels: int, heads: int, eps: float = 1e-6):
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=eps)
        self.attn = WindowAttention(channels, heads)
        self.norm2 = nn.LayerNorm(channels, eps=eps)
        self.mlp = MLP(channels, 4 * channels)

    def forward(self, x: Tensor, windows: tuple[int, int]) -> Tensor:
        """``B h w C`` to the same; ``windows`` as in ``WindowAttention``."""
        x = x + self.attn(self.norm1(x), windows)
        return x + self.mlp(self.norm2(x))


class WindowAttention(nn.Module):
    """Multi-head attention within each window."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor, windows: tuple[int, int]) -> Tensor:
        """``B h w C`` to the same; ``windows``: rows and columns of equal windows that tile it."""
        parts = self.qkv(split(x, windows)).unflatten(2, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value)  # B*windows heads N c
        return joined(self.proj(attended.transpose(1, 2).flatten(2)), windows, tuple(x.shape[1:3]))


class MLP(nn.Module):
    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


def windows_along(grid: Sequence[int], window: int) -> tuple[int, int]:
    """How many windows of about ``window`` tokens there are along each side of a grid of tokens."""
    rows, cols = (max(1, tokens // window) for tokens in grid)
    return rows, cols


def fitting(size: tuple[int, int], patch: int, window: int) -> tuple[int, int]:
    """The smallest size, rows and columns in pixels, that is at least ``size`` and that whole
    patches and equal windows of about ``window`` tokens fill.
    """
    grid = []
    for side in size:
        tokens = max(2, -(-side // patch))  # a feature pyramid halves them once more
        while tokens % max(1, tokens // window):
            tokens += 1
        grid.append(tokens)
    return patch * grid[0], patch * grid[1]


def load_mae(backbone: nn.Module, path: str | Path, without: tuple[str, ...] = ()) -> None:
    """Load MAE's file into a backbone with a ``grid`` of positions, which are resized to it.

    Args:
        without: prefixes of parts that such files lack.

    Raises:
        IsegmError: the file cannot be read, holds no ViT, or one of another size.
    """
    tensors = pretrained_tensors(path)
    if (positions := tensors.get("pos_embed")) is not None:
        side = math.isqrt(positions.shape[1] - 1)
        if side**2 != positions.shape[1] - 1:
            raise IsegmError(
                f"{path} has {positions.shape[1]} positions; expected those of a square and of"
                " a class token"
            )
        grid = resized_positions(positions[:, 1:].float(), (side, side), backbone.grid)
        tensors["pos_embed"] = torch.cat([positions[:, :1], grid.flatten(1, 2)], 1)
    load_backbone(backbone, tensors, path, without=without)


def split(x: Tensor, windows: tuple[int, int]) -> Tensor:
    """``B h w C`` to ``B*windows N C``, the N tokens of each window row by row."""
    rows, cols = windows
    tiles = x.unflatten(2, (cols, -1)).unflatten(1, (rows, -1))  # B rows h' cols w' C
    return tiles.transpose(2, 3).flatten(3, 4).flatten(0, 2)


def joined(tokens: Tensor, windows: tuple[int, int], grid: tuple[int, int]) -> Tensor:
    """The inverse of ``split``: ``B*windows N C`` to ``B h w C`` of a grid (h, w)."""
    rows, cols = windows
    tiles = tokens.unflatten(1, (grid[0] // rows, grid[1] // cols))
    tiles = tiles.unflatten(0, (-1, rows, cols))  # B rows cols h' w' C
    return tiles.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def resized_positions(positions: Tensor, grid: tuple[int, int], wanted: tuple[int, int]) -> Tensor:
    """``1 N C`` embeddings of the N cells of a grid (rows, columns) to ``1 h w C`` of the wanted
    grid; corners are not aligned.
    """
    positions = positions.unflatten(1, grid)
    if grid == wanted:
        return positions
    resized = F.interpolate(
        positions.permute(0, 3, 1, 2), size=wanted, mode="bicubic", align_corners=False
    )
    return resized.permute(0, 2, 3, 1)


def initialise(module: nn.Module) -> None:
    """Linear layers as in MAE; norms and convolutions keep PyTorch's defaults."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
