"""ClickAttention: spreads the influence of positive clicks over the object (arXiv 2408.06021).

A SegFormer sees image, clicks and previous mask in one pass. In each of its later stages, the
patches clicked as object are compared with all patches. The similarities, a map in (0, 1), are
supervised with the target; they also split the self-attention into a part that must reproduce the
answer's object and one that must reproduce its background. The paper also multiplies them into the
self-attention, which the published code omits; ``affinity_use`` chooses.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.clicks import POSITIVE, Clicks
from isegm.core.errors import IsegmError, unknown
from isegm.core.registry import Spec, build, spec
from isegm.core.rounds import Prediction, Round
from isegm.core.samples import IGNORE
from isegm.methods.base import ClickModel
from isegm.nn.backbones.mix_transformer import (
    REDUCTIONS,
    SMALLEST,
    MixFFN,
    MixTransformer,
    as_map,
    initialise,
)
from isegm.nn.clicks.disks import Disks
from isegm.nn.heads.segformer import segformer_head
from isegm.nn.losses.focal import NormalizedFocalLoss
from isegm.nn.normalise import Normalise
from isegm.nn.weights import load_backbone, pretrained_tensors

AFFINITY_USES = ("none", "paper")


class ClickAttention(ClickModel):
    """One pass from image, clicks and previous mask to logits.

    Args:
        backbone: a ``ClickAttentionEncoder``.
        head: ``forward(features) -> (logits, aux logits or None, context features)``.
        affinity_use: ``"none"``: the affinity is only a training signal (published code and
            weights). ``"paper"``: it multiplies the self-attention of its stage.
        clicks: draws the click maps; default and published: ``Disks(5)``.
        attention_loss, affinity_loss: weights of the two losses on the affinity.
        backbone_lr: learning rate of the backbone, relative to the rest.

    Raises:
        IsegmError: an unknown ``affinity_use``, or a head for other features.
    """

    protocol = "click_attention"
    shown_maps = ("attention",)

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        affinity_use: str = "none",
        clicks: nn.Module | None = None,
        attention_loss: float = 1.0,
        affinity_loss: float = 1.0,
        backbone_lr: float = 0.1,
    ):
        super().__init__()
        if affinity_use not in AFFINITY_USES:
            raise unknown("affinity_use", affinity_use, AFFINITY_USES)
        if tuple(head.in_channels) != tuple(backbone.out_channels):
            raise IsegmError(
                f"head.in_channels is {list(head.in_channels)}, but the backbone makes"
                f" {list(backbone.out_channels)} channels"
            )
        self.backbone, self.head = backbone, head
        self.affinity_use = affinity_use
        self.clicks, self.normalise = clicks or Disks(), Normalise()
        self.attention_loss, self.affinity_loss = attention_loss, affinity_loss
        self.backbone_lr = backbone_lr
        self.focal = NormalizedFocalLoss(alpha=0.5, gamma=2)

    def forward(self, round_: Round) -> Prediction:
        """One round.

        ``aux`` holds, for each stage i with an affinity, ``attention_i`` (``B 1 h w``, the affinity
        of every patch to the clicked ones) and ``self_attention_i`` (``B N M``, the attention of N
        = h * w patches to M keys, averaged over blocks and heads), and the finest ``attention_i``
        as ``attention``.
        """
        return self._answered(round_, with_self_attention=True)

    def infer(self, round_: Round) -> Prediction:
        """As ``forward``, without ``self_attention_i``, which only the losses need."""
        return self._answered(round_, with_self_attention=False)

    def losses(self, pred: Prediction, target: Tensor, round_: Round) -> dict[str, Tensor]:
        losses = {"instance": self.focal(pred.logits, target).mean()}
        if stages := self.backbone.stages:
            several = (_clicked(round_.clicks, round_.image.shape[-2:]).sum(1) > 1).float()  # B
            prob = pred.logits.float().sigmoid()
            attention, affinity = [], []
            for stage in stages:
                weight = pred.aux[f"attention_{stage}"]
                attention.append(attention_loss(weight, target, several))
                within = pred.aux[f"self_attention_{stage}"]
                reduction = REDUCTIONS[stage - 1]
                affinity.append(affinity_loss(within, weight, prob, reduction, several))
            losses["attention"] = self.attention_loss * torch.stack(attention).mean()
            losses["affinity"] = self.affinity_loss * torch.stack(affinity).mean()
        return losses

    def lr_multiplier(self, name: str) -> float:
        """As in the original, the affinity blocks belong to the backbone."""
        return self.backbone_lr if name.startswith("backbone.") else 1.0

    def _answered(self, round_: Round, with_self_attention: bool) -> Prediction:
        size = round_.image.shape[-2:]
        coords = torch.cat([round_.prev_prob, self.clicks(round_.clicks, size)], 1)  # B 3 H W
        image = self.normalise(round_.image)
        padded = [max(side, SMALLEST) for side in size]  # thin views, below and on the right
        around = (0, padded[1] - size[1], 0, padded[0] - size[0])
        image, coords = F.pad(image, around), F.pad(coords, around)
        features, aux = self.backbone(
            image, coords, round_.clicks, self.affinity_use == "paper", with_self_attention
        )
        logits, _, _ = self.head(features)
        return Prediction(resize(logits.float(), padded)[..., : size[0], : size[1]], aux)


class ClickAttentionEncoder(MixTransformer):
    """A Mix Transformer whose later stages compare all patches with the clicked ones. Clicks enter
    before the first block.

    Args:
        variant, drop_path: as in ``MixTransformer``.
        stages: those with an affinity. Published: 2, 3 and 4.
        dropout: in the affinity blocks. Published: 0.5.

    Raises:
        IsegmError: stages that do not exist or are not in order.
    """

    def __init__(
        self,
        variant: str = "b0",
        stages: Sequence[int] = (2, 3, 4),
        drop_path: float = 0.1,
        dropout: float = 0.5,
    ):
        if list(stages) != sorted({1, 2, 3, 4} & set(stages)):
            raise IsegmError(
                f"stages={list(stages)}: expected some of 1, 2, 3 and 4, in this order"
            )
        super().__init__(variant, side="stage1", drop_path=drop_path)
        self.stages = tuple(stages)
        for stage in stages:
            self.add_module(
                f"attn_weight{stage}", AffinityBlock(self.out_channels[stage - 1], dropout)
            )

    def forward(
        self,
        image: Tensor,
        coords: Tensor,
        clicks: Clicks,
        multiply: bool = False,
        with_self_attention: bool = False,
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Features of four stages, ``B C_i h_i w_i``, and the maps that ``ClickAttention.forward``
        describes.

        Args:
            image, coords: as in ``MixTransformer``.
            clicks: in pixels of the image.
            multiply: whether the affinity multiplies the self-attention.
        """
        positive = _clicked(clicks, image.shape[-2:])  # B K
        features: list[Tensor] = []
        maps: dict[str, Tensor] = {}
        x = image
        for stage in (1, 2, 3, 4):
            tokens, size = self.get_submodule(f"patch_embed{stage}")(x)
            if stage == 1:
                tokens = tokens + self.patch_embed_side1(coords)[0]
            weight = None
            if stage in self.stages:
                cells = _cells(clicks, size, 2 ** (stage + 1))
                affinity = self.get_submodule(f"attn_weight{stage}")
                weight = affinity(tokens, size, cells, positive)  # B N
                maps[f"attention_{stage}"] = weight.view(-1, 1, *size)
            wanted = with_self_attention and stage in self.stages
            rows = weight[:, None, :, None] if multiply and weight is not None else None
            tokens, attention = self._through(stage, tokens, size, rows, wanted)
            if wanted:
                maps[f"self_attention_{stage}"] = attention
            x = as_map(tokens, size)
            features.append(x)
        if self.stages:
            maps["attention"] = maps[f"attention_{self.stages[0]}"]
        return features, maps

    def load_pretrained(self, path: str | Path) -> None:
        """Load an ImageNet file of the original code base (mit_b0.pth); parts it lacks do not
        change.
        """
        lacking = ("patch_embed_side1.", "attn_weight")
        load_backbone(self, pretrained_tensors(path), path, without=lacking)

    def _through(
        self, stage: int, tokens: Tensor, size: tuple[int, int], rows: Tensor | None, wanted: bool
    ) -> tuple[Tensor, Tensor | None]:
        """The tokens after a stage, and if ``wanted`` the mean of its self-attention over blocks
        and heads.
        """
        means = []
        for block in self.get_submodule(f"block{stage}"):
            maps: list[Tensor] | None = [] if wanted else None
            tokens = block(tokens, size, rows, maps)
            means += [attention.float().mean(1) for attention in maps or ()]
        mean = torch.stack(means).mean(0) if wanted else None
        return self.get_submodule(f"norm{stage}")(tokens), mean


class AffinityBlock(nn.Module):
    """The affinity of every patch to the clicked ones (section 3.2; ``AttnWeightBlock`` in the
    original).

    # differs from the original: the grid need not be square.
    """

    def __init__(self, channels: int, dropout: float = 0.5):
        super().__init__()
        self.mlp_x = MixFFN(channels, 4 * channels, 2 * channels, dropout)
        self.mlp_z = MixFFN(channels, 4 * channels, 2 * channels, dropout)
        self.apply(initialise)

    def forward(
        self, tokens: Tensor, size: tuple[int, int], cells: Tensor, positive: Tensor
    ) -> Tensor:
        """Compare all patches with the clicked ones.

        Args:
            tokens: ``B N C`` of a grid of ``size``.
            cells: ``B K``, the index of the patch of each click.
            positive: ``B K`` bool, the clicks that count. A patch clicked twice counts twice.

        Returns:
            ``B N`` float32 in (0, 1); exactly 1 for samples with fewer than two clicks that count.
        """
        count = positive.sum(1)  # B
        clicked = tokens.gather(1, cells[..., None].expand(-1, -1, tokens.shape[2]))  # B K C
        clicked = clicked * positive[..., None]
        mean = clicked.sum(1, keepdim=True) / count.clamp(min=1)[:, None, None]  # B 1 C
        response = (self.mlp_x(tokens, size) * self.mlp_z(mean, (1, 1))).sum(2).float()  # B N
        weight = F.layer_norm(response, response.shape[1:]).sigmoid()
        return torch.where(count[:, None] > 1, weight, 1.0)


def attention_loss(weight: Tensor, target: Tensor, several: Tensor) -> Tensor:
    """Squared distance of the affinity from the target (section 3.3; ``AttWeightLoss``).

    Args:
        weight: ``B 1 h w`` in [0, 1].
        target: ``B 1 H W``, sampled at the nearest pixel; ignored pixels contribute 0 to the mean.
        several: ``B``, 1 for samples with several positive clicks; the others contribute 0, too.
    """
    wanted = F.interpolate(target.float(), size=weight.shape[-2:], mode="nearest")
    loss = (weight.float() - wanted).square() * (wanted != IGNORE)
    return (loss * several.view(-1, 1, 1, 1)).mean()


def affinity_loss(
    attention: Tensor, weight: Tensor, prob: Tensor, reduction: int, several: Tensor
) -> Tensor:
    """The discriminative affinity loss (section 3.3; ``DiscriminateiveAffinityLoss``).

    Self-attention weighted by the affinity must carry the answer's object from the keys to the
    patches, and weighted by one minus the affinity its background.

    # differs from the original: the grids are those of the features, not those of a 512 x 512
    image.

    Args:
        attention: ``B N M`` self-attention of N = h * w patches to M keys.
        weight: ``B 1 h w`` affinity, a constant for the gradient.
        prob: ``B 1 H W``, the answer.
        reduction: how much coarser the grid of the keys is.
        several: as in ``attention_loss``.
    """
    height, width = weight.shape[-2:]
    weight = weight.detach().flatten(1)  # B N
    patches = resize(prob, (height, width)).flatten(1)  # B N
    keys = resize(prob, (height // reduction, width // reduction)).flatten(1)[..., None]  # B M 1
    on_object = weight * (attention @ keys)[..., 0]
    off_object = (1 - weight) * (attention @ (1 - keys))[..., 0]
    loss = (on_object - patches).abs() + (off_object - (1 - patches)).abs()
    return (loss * several[:, None]).mean()


def _clicked(clicks: Clicks, size: tuple[int, int]) -> Tensor:
    """``B K`` bool: positive clicks inside the view."""
    inside = (clicks.yx >= 0) & (clicks.yx < torch.tensor(size).to(clicks.yx))
    return (clicks.label == POSITIVE) & inside.all(-1)


def _cells(clicks: Clicks, grid: tuple[int, int], stride: int) -> Tensor:
    """``B K`` int64: the index, in row order, of the patch of each click; arbitrary for clicks
    outside.
    """
    last = torch.tensor([grid[0] - 1, grid[1] - 1]).to(clicks.yx)
    row, column = (clicks.yx / stride).floor().clamp(min=0).minimum(last).long().unbind(-1)
    return row * grid[1] + column


def click_attention(
    variant: str = "b0",
    affinity_use: str = "none",
    stages: Sequence[int] = (2, 3, 4),
    width: int | None = None,
    click_radius: float = 5,
    **options: Any,
) -> Spec:
    """The spec of ClickAttention on a Mix Transformer; ``options``: more arguments of
    ``ClickAttention``.

    Args:
        width: of the head; by default the published one, 256 for b0 and 512 for larger ones.
    """
    return spec(
        ClickAttention,
        backbone=spec(ClickAttentionEncoder, variant=variant, stages=stages),
        head=segformer_head(variant, width),
        affinity_use=affinity_use,
        **{"clicks": spec(Disks, radius=click_radius), **options},
    )


def tiny() -> ClickAttention:
    """A ClickAttention that runs in milliseconds on a CPU, for tests and for `synthetic`."""
    return build(click_attention("tiny", "paper", width=32))
