"""The Mix Transformer, the encoder of SegFormer (arXiv 2105.15203, section 3.1), with a second
input for clicks.

Parameter names follow the original, so ImageNet weights and published checkpoints map by prefix.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.core.errors import IsegmError, unknown
from isegm.nn.recompute import Blocks
from isegm.nn.weights import load_backbone, pretrained_tensors

VARIANTS = {  # channels and blocks of the four stages
    "b0": ((32, 64, 160, 256), (2, 2, 2, 2)),
    "b1": ((64, 128, 320, 512), (2, 2, 2, 2)),
    "b2": ((64, 128, 320, 512), (3, 4, 6, 3)),
    "b3": ((64, 128, 320, 512), (3, 4, 18, 3)),
    "b4": ((64, 128, 320, 512), (3, 8, 27, 3)),
    "b5": ((64, 128, 320, 512), (3, 6, 40, 3)),
    "tiny": ((16, 32, 80, 128), (1, 1, 1, 1)),  # not published: for tests and for training on a CPU
}
HEADS = (1, 2, 5, 8)
REDUCTIONS = (8, 4, 2, 1)  # how many times coarser the grid of keys and values is
SIDES = ("stage1", "stage2")
SMALLEST = 32


class MixTransformer(Blocks):
    """Four stages at 1/4, 1/8, 1/16 and 1/32 of the image; clicks have their own patch embedding.

    Args:
        variant: ``"b0"`` .. ``"b5"``, or ``"tiny"``.
        side: where the embedded clicks are added. ``"stage1"``: to the patches of the image
            (ClickAttention). ``"stage2"``: to the input of stage 2 only, so the finest map does not
            depend on clicks (FocalClick). None: there is no second input.
        side_channels: coordinate features: two click maps, and the previous mask.
        drop_path: probability of skipping the last block in training; it grows linearly from 0 at
            the first block.

    Attributes:
        out_channels: channels of the four maps.
    """

    def __init__(
        self,
        variant: str = "b0",
        side: str | None = "stage2",
        side_channels: int = 3,
        drop_path: float = 0.1,
    ):
        super().__init__()
        if variant not in VARIANTS:
            raise unknown("Mix Transformer", variant, VARIANTS)
        if side is not None and side not in SIDES:
            raise unknown("side of a Mix Transformer", side, SIDES)
        dims, depths = VARIANTS[variant]
        self.out_channels, self.side = dims, side
        if side is not None:
            self.patch_embed_side1 = OverlappingPatches(side_channels, dims[0], 7, 4)
        rates = torch.linspace(0, drop_path, sum(depths), device="cpu").tolist()
        for i in range(4):
            inputs, kernel, stride = (3, 7, 4) if i == 0 else (dims[i - 1], 3, 2)
            blocks = [
                MixBlock(dims[i], HEADS[i], REDUCTIONS[i], rates.pop(0)) for _ in range(depths[i])
            ]
            patches = OverlappingPatches(inputs, dims[i], kernel, stride)
            self.add_module(f"patch_embed{i + 1}", patches)
            self.add_module(f"block{i + 1}", nn.ModuleList(blocks))
            self.add_module(f"norm{i + 1}", nn.LayerNorm(dims[i], eps=1e-6))
        self.apply(initialise)

    def forward(
        self, image: Tensor, side: Tensor | None = None, known: Tensor | None = None
    ) -> list[Tensor]:
        """Extract features.

        Args:
            image: ``B 3 H W`` normalised RGB.
            side: ``B K H W`` coordinate features, or None.
            known: ``before_clicks`` of this image, if it was computed before.

        Returns:
            The outputs of the stages, ``B C_i h_i w_i`` with h_i = H / 4, 8, 16, 32 (rounded up).

        Raises:
            IsegmError: the image is smaller than 32 pixels, or there are clicks but no input for
                them.
        """
        if side is not None and self.side is None:
            raise IsegmError(
                "this Mix Transformer has no input for clicks; build it with side='stage1' or"
                " side='stage2'"
            )
        clicks, grid = (None, None) if side is None else self.patch_embed_side1(side)
        x = self._first(image, clicks if self.side == "stage1" else None, known)
        features = [x]
        if clicks is not None and self.side == "stage2":
            x = x + as_map(clicks, grid)
        for stage in (2, 3, 4):
            tokens, size = self.get_submodule(f"patch_embed{stage}")(x)
            x = as_map(self.transformed(stage, tokens, size), size)
            features.append(x)
        return features

    def before_clicks(self, image: Tensor) -> Tensor | None:
        """The part of ``forward`` that clicks do not reach: with ``side="stage2"`` the whole first
        stage, ``B C_1 H/4 W/4``; None if clicks enter before it.

        Args:
            image: ``B 3 H W`` normalised RGB.
        """
        return self._first(image) if self.side == "stage2" else None

    def _first(
        self, image: Tensor, clicks: Tensor | None = None, known: Tensor | None = None
    ) -> Tensor:
        """The output of stage 1, or ``known`` if that is given."""
        if known is not None:
            return known
        if min(image.shape[-2:]) < SMALLEST:
            raise IsegmError(
                f"a Mix Transformer needs {SMALLEST} pixels per side, the view is"
                f" {tuple(image.shape[-2:])}"
            )
        tokens, size = self.patch_embed1(image)
        return as_map(
            self.transformed(1, tokens if clicks is None else tokens + clicks, size), size
        )

    def transformed(self, stage: int, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """Run the blocks and the norm of a stage (1 to 4) on ``B N C`` tokens of a grid of
        ``size``; subclasses extend this.
        """
        for block in self.get_submodule(f"block{stage}"):
            tokens = self.run(block, tokens, size)
        return self.get_submodule(f"norm{stage}")(tokens)

    def load_pretrained(self, path: str | Path) -> None:
        """Load an ImageNet file of the original code base (mit_b0.pth), except into the input for
        clicks.

        Raises:
            IsegmError: the file cannot be read, holds no Mix Transformer, or another variant.
        """
        load_backbone(self, pretrained_tensors(path), path, without=("patch_embed_side1.",))


class OverlappingPatches(nn.Module):
    """Overlapping patches: a strided convolution and a norm."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int):
        super().__init__()
        self.proj = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2)
        self.norm = nn.LayerNorm(outputs, eps=1e-5)

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """``B K H W`` to ``B N C`` and the size of the grid of N tokens."""
        x = self.proj(x)
        return self.norm(as_tokens(x)), tuple(x.shape[-2:])


class MixBlock(nn.Module):
    """Attention and a feed-forward network, each with a norm before it and a shortcut around it."""

    def __init__(self, channels: int, heads: int, reduction: int, drop_path: float):
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=1e-6)
        self.attn = ReducedAttention(channels, heads, reduction)
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        self.mlp = MixFFN(channels, 4 * channels)
        self.drop_path = drop_path

    def forward(
        self,
        x: Tensor,
        size: tuple[int, int],
        weight: Tensor | None = None,
        maps: list[Tensor] | None = None,
    ) -> Tensor:
        """``B N C`` to the same; ``weight`` and ``maps`` as in ``ReducedAttention``."""
        x = x + self._skipped(self.attn(self.norm1(x), size, weight, maps))
        return x + self._skipped(self.mlp(self.norm2(x), size))

    def _skipped(self, x: Tensor) -> Tensor:
        """Stochastic depth: zero for some samples; the others are scaled to keep the mean."""
        if not self.training or self.drop_path == 0:
            return x
        keep = 1 - self.drop_path
        return x * x.new_empty(len(x), 1, 1).bernoulli_(keep).div_(keep)


class ReducedAttention(nn.Module):
    """Multi-head attention whose keys and values come from a coarser grid."""

    def __init__(self, channels: int, heads: int, reduction: int):
        super().__init__()
        self.heads, self.reduction = heads, reduction
        self.q = nn.Linear(channels, channels)
        self.kv = nn.Linear(channels, 2 * channels)
        self.proj = nn.Linear(channels, channels)
        if reduction > 1:
            self.sr = nn.Conv2d(channels, channels, reduction, stride=reduction)
            self.norm = nn.LayerNorm(channels, eps=1e-5)

    def forward(
        self,
        x: Tensor,
        size: tuple[int, int],
        weight: Tensor | None = None,
        maps: list[Tensor] | None = None,
    ) -> Tensor:
        """Attend.

        Args:
            x: ``B N C`` tokens of a grid of ``size``.
            weight: multiplies the attention map, broadcastable to ``B heads N M``.
            maps: the attention map, ``B heads N M`` before ``weight``, is appended to this list.
        """
        source = self.norm(as_tokens(self.sr(as_map(x, size)))) if self.reduction > 1 else x
        query = self.q(x).unflatten(2, (self.heads, -1)).transpose(1, 2)  # B heads N c
        pairs = self.kv(source).unflatten(2, (2, self.heads, -1))
        key, value = pairs.permute(2, 0, 3, 1, 4)  # B heads M c
        if weight is None and maps is None:
            attended = F.scaled_dot_product_attention(query, key, value)
        else:
            attention = (query @ key.transpose(2, 3) * query.shape[-1] ** -0.5).softmax(-1)
            if maps is not None:
                maps.append(attention)
            attended = (attention if weight is None else attention * weight) @ value
        return self.proj(attended.transpose(1, 2).flatten(2))


class MixFFN(nn.Module):
    """Two linear layers with a depthwise 3x3 convolution between them, which also encodes position.

    Args:
        channels, hidden: of the tokens and between the layers.
        outputs: channels of the result; by default ``channels``.
        dropout: after the activation and after the second layer.
    """

    def __init__(
        self, channels: int, hidden: int, outputs: int | None = None, dropout: float = 0.0
    ):
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.dwconv = DepthwiseConv(hidden)
        self.fc2 = nn.Linear(hidden, outputs or channels)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        return self.drop(self.fc2(self.drop(F.gelu(self.dwconv(self.fc1(x), size)))))


class DepthwiseConv(nn.Module):
    """A depthwise 3x3 convolution on tokens."""

    def __init__(self, channels: int):
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        return as_tokens(self.dwconv(as_map(x, size)))


def as_tokens(x: Tensor) -> Tensor:
    """``B C h w`` to ``B hw C``."""
    return x.flatten(2).transpose(1, 2)


def as_map(tokens: Tensor, size: tuple[int, int]) -> Tensor:
    """``B hw C`` to ``B C h w``; memory keeps the order of the tokens."""
    return tokens.transpose(1, 2).unflatten(2, size)


def initialise(module: nn.Module) -> None:
    """As in the original: small linear layers, He's initialisation of convolutions by fan-out."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=math.sqrt(2.0 / fan_out))
        nn.init.zeros_(module.bias)
