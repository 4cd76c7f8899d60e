"""EMC-Click: efficient mask correction (Du et al., CVPR 2023).

The base, a complete segmentation network, runs once, on the image and the first click. Its features
are kept, and a light correction network answers every click, including the first, from image, all
clicks, the mask so far and these features. The features are a value in the session; when the view
moves, the base runs again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.clicks import Clicks
from isegm.core.errors import IsegmError
from isegm.core.registry import Spec, build, spec
from isegm.core.rounds import Prediction, Round
from isegm.methods.base import ClickModel, Mode
from isegm.nn.backbones.hrnet import HRNet
from isegm.nn.backbones.mix_transformer import SMALLEST, MixTransformer
from isegm.nn.clicks.disks import Disks
from isegm.nn.clicks.fusion import Conv1S
from isegm.nn.heads.correction import STRIDE, CorrectionNet
from isegm.nn.heads.ocr import ocr_head
from isegm.nn.heads.segformer import segformer_head
from isegm.nn.init import xavier_gluon_
from isegm.nn.losses.bce import SigmoidBCE
from isegm.nn.losses.focal import NormalizedFocalLoss
from isegm.nn.normalise import Normalise

AUX_LOSS = 0.4


@dataclass(frozen=True)
class EMCState:
    """The state for the next click.

    Attributes:
        context: ``B d h w``, the base's features for the correction network; None: the base must
            run.
        logits: ``B 1 h w``, the newest answer on the grid of the correction network.
    """

    context: Tensor | None
    logits: Tensor


class EMCClick(ClickModel):
    """A base network that sees the first click, and a network that corrects its answer.

    Args:
        backbone: ``forward(image, coordinate features) -> features``, HRNet or a Mix Transformer.
        head: ``forward(features) -> (logits, aux logits or None, context features)``, with
            ``out_channels`` and ``slow_parts``.
        refiner: see ``CorrectionNet``.
        fusion: how the map of the first click reaches the backbone; None: directly.
        clicks: draws the click maps; default and published: ``Disks(5)``.
        backbone_lr: learning rate of the backbone and of the head's ``slow_parts``, relative to the
            rest.
        xavier: initialise all parts as in RITM (published for HRNet) instead of leaving them as
            they are.

    Raises:
        IsegmError: parts whose channels do not fit each other.
    """

    protocol = "emc_click"

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        refiner: nn.Module,
        fusion: nn.Module | None = None,
        clicks: nn.Module | None = None,
        backbone_lr: float = 0.1,
        xavier: bool = False,
    ):
        super().__init__()
        if refiner.in_channels != head.out_channels:
            raise IsegmError(
                f"refiner.in_channels is {refiner.in_channels}, but the head makes"
                f" {head.out_channels} channels"
            )
        if fusion is not None and fusion.in_channels != 1:
            raise IsegmError(
                f"fusion.in_channels is {fusion.in_channels}, but the base sees a single map; set"
                " it to 1"
            )
        self.backbone, self.head, self.refiner, self.fusion = backbone, head, refiner, fusion
        self.clicks, self.normalise, self.backbone_lr = clicks or Disks(), Normalise(), backbone_lr
        self.focal, self.bce = NormalizedFocalLoss(alpha=0.5, gamma=2), SigmoidBCE()
        if xavier:
            xavier_gluon_(self)

    def forward(self, round_: Round) -> Prediction:
        """One round. The base runs unless the state holds its features for this view.

        If it ran, ``aux`` holds its answer as ``base`` and the first guess of an OCR head as
        ``first_guess``, both logits ``B 1 H W``.

        # differs from the original: views of any size; sides that are not multiples of 4 are padded
        below and on the right.
        """
        size, state = tuple(round_.image.shape[-2:]), round_.state
        frame = self.frame(size)
        guesses: dict[str, Tensor] = {}
        context = None if state is None or round_.fresh_view else state.context
        if context is None:
            guesses, context = self.base_context(round_)
        if state is None:
            mask = resize(guesses["base"].detach(), frame).sigmoid()
        elif round_.fresh_view:
            # The kept answer belongs to another view; the session has it for this one.
            mask = filled_up(round_.prev_prob, frame)
        else:
            mask = resize(state.logits, frame).sigmoid()
        # float32 before resizing: in bfloat16 the interpolation would quantise the boundary
        aux = {name: _cut(resize(guess, frame), size) for name, guess in guesses.items()}
        return replace(self.correction(round_, mask, context), aux=aux)

    def base_context(self, round_: Round) -> tuple[dict[str, Tensor], Tensor]:
        """Run the base: its answers by name, see ``base``, and the features for the correction,
        ``B d h w``.
        """
        frame = self.frame(tuple(round_.image.shape[-2:]))
        image = filled_up(self.normalise(round_.image), frame)
        guesses, features = self.base(image, round_.clicks.first(round_.initial_clicks))
        return guesses, self.refiner.context(features, frame)

    def correction(self, round_: Round, mask: Tensor, context: Tensor) -> Prediction:
        """One pass of the correction network.

        Args:
            mask: ``B 1`` times the ``frame`` of the view, in [0, 1], the answer to correct.
            context: the features of ``base_context``.
        """
        size = tuple(round_.image.shape[-2:])
        frame = self.frame(size)
        image = filled_up(self.normalise(round_.image), frame)
        disks = self.clicks(round_.clicks, frame)
        logits = self.refiner(image, disks, mask, round_.clicks, context).float()
        state = EMCState(context.detach(), logits.detach())
        return Prediction(_cut(resize(logits, frame), size), state=state)

    def base(self, image: Tensor, first: Clicks) -> tuple[dict[str, Tensor], Tensor]:
        """The base network, which sees neither later clicks, nor the previous mask, nor a first
        click on the background.

        Args:
            image: ``B 3 H W`` normalised.
            first: the clicks before the first answer.

        Returns:
            its answers by name, ``B 1 h w`` float32 logits, and its features, ``B C h w``.
        """
        shown = self.clicks(first, tuple(image.shape[-2:]))[:, :1]  # only object clicks
        inputs = (image, shown) if self.fusion is None else self.fusion(image, shown)
        logits, first_guess, features = self.head(self.backbone(*inputs))
        guesses = {"base": logits.float()}
        if first_guess is not None:
            guesses["first_guess"] = first_guess.float()
        return guesses, features

    def losses(self, pred: Prediction, target: Tensor, round_: Round) -> dict[str, Tensor]:
        losses = {"instance": self.focal(pred.logits, target).mean()}
        if "base" in pred.aux:
            losses["base"] = self.focal(pred.aux["base"], target).mean()
        if "first_guess" in pred.aux:
            losses["aux"] = AUX_LOSS * self.bce(pred.aux["first_guess"], target).mean()
        return losses

    def trainable_state(self, state: EMCState | None) -> EMCState | None:
        """The newest answer without the features, since the base learns in every step."""
        return None if state is None else replace(state, context=None)

    def lr_multiplier(self, name: str) -> float:
        """As in the published wrappers, the backbone is slow, and with HRNet the two
        classifiers.
        """
        part, _, rest = name.partition(".")
        slow = part == "backbone" or (part == "head" and rest.startswith(self.head.slow_parts))
        return self.backbone_lr if slow else 1.0

    def frame(self, size: tuple[int, int]) -> tuple[int, int]:
        """The size a view is padded to: multiples of 4, and enough cells for the templates."""
        least = max(SMALLEST, self.refiner.smallest)
        return tuple(max(least, -(-side // STRIDE) * STRIDE) for side in size)


def filled_up(x: Tensor, frame: tuple[int, int]) -> Tensor:
    """``B C H W`` with zeros below and on the right, up to the size of the frame."""
    return F.pad(x, (0, frame[1] - x.shape[-1], 0, frame[0] - x.shape[-2]))


def _cut(x: Tensor, size: tuple[int, int]) -> Tensor:
    return x[..., : size[0], : size[1]]


def emc_hrnet(
    width: int = 18,
    depth: str = "full",
    ocr_width: int = 64,
    refiner_width: int = 96,
    fusion: Spec | None = None,
    click_radius: float = 5,
    **options: Any,
) -> Spec:
    """The spec of EMC-Click on an HRNet with an OCR head; ``options``: more arguments of
    ``EMCClick``.

    Published: ``(18, "small", 48, 64)``, ``(18, "full", 64, 96)``, ``(32, "full", 128, 96)``, all
    with the default fusion.
    """
    return spec(
        EMCClick,
        backbone=spec(HRNet, width=width, depth=depth),
        head=ocr_head(width, ocr_width),
        refiner=spec(CorrectionNet, in_channels=2 * ocr_width, width=refiner_width),
        fusion=fusion or spec(Conv1S, in_channels=1),
        **{"xavier": True, "clicks": spec(Disks, radius=click_radius), **options},
    )


def emc_segformer(
    variant: str = "b0",
    refiner_width: int | None = None,
    width: int | None = None,
    click_radius: float = 5,
    **options: Any,
) -> Spec:
    """The spec of EMC-Click on a SegFormer; ``options``: more arguments of ``EMCClick``.

    Published: b0 and b3; ``width`` is that of the head. Widths default to the published ones.
    """
    head = segformer_head(variant, width)
    return spec(
        EMCClick,
        backbone=spec(MixTransformer, variant=variant, side="stage2", side_channels=1),
        head=head,
        refiner=spec(
            CorrectionNet,
            in_channels=head["args"]["width"],
            width=refiner_width or (64 if variant in ("b0", "tiny") else 96),
        ),
        **{"clicks": spec(Disks, radius=click_radius), **options},
    )


MODES = (Mode("EMC-Click", needs=EMCClick),)  # one pass; the name in published scripts


def tiny() -> EMCClick:
    """An EMC-Click that runs in milliseconds on a CPU, for tests."""
    return build(emc_hrnet(width=8, depth="tiny", ocr_width=16, refiner_width=16))
