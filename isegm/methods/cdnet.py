"""CDNet: click information diffuses to similar places, first among features, then among pixels
(Chen et al., ICCV 2021).

DeepLabV3+ on a ResNet, with click disks but no previous mask. After the pyramid, features of the
clicks spread to similar places (feature diffusion). At test time, the answer and the clicks then
spread to pixels of similar colour (pixel diffusion). In training, four more answers to the same
clicks may differ where the clicks are ambiguous. The version is that of ClickSEG's code.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from isegm.core.boxes import resize
from isegm.core.clicks import Clicks
from isegm.core.errors import IsegmError
from isegm.core.registry import Spec, build, spec
from isegm.core.rounds import Prediction, Round
from isegm.methods.base import Adjustable, ClickModel, Mode
from isegm.nn.backbones.resnet import ResNet
from isegm.nn.clicks.disks import Disks
from isegm.nn.clicks.fusion import Conv1S
from isegm.nn.diffusion import FeatureDiffusion, PixelDiffusion
from isegm.nn.fit import check_fit
from isegm.nn.heads.deeplab import SepConvHead, deeplab_head
from isegm.nn.init import xavier_gluon_
from isegm.nn.losses.diversity import DiversityLoss
from isegm.nn.losses.focal import NormalizedFocalLoss
from isegm.nn.normalise import Normalise

GATE_LOSS = 0.4
STEPS = Adjustable(
    "diffusion", "Pixel diffusion", "pixel_diffusion.steps", 1, 20, 1, "Number of diffusion steps"
)


class CDNet(ClickModel):
    """One pass from image and clicks to logits, which pixel diffusion corrects at test time.

    Args:
        backbone: ``forward(image, extra) -> stages``, a ResNet.
        head: a ``DeepLabHead``.
        fusion: how the click disks reach the backbone.
        feature_diffusion: see ``FeatureDiffusion``.
        pixel_diffusion: see ``PixelDiffusion``; None for the network alone.
        latents: number of additional answers in training. Published: 4; 0: none.
        clicks: draws the click maps; default and published: ``Disks(5)``.
        backbone_lr: learning rate of the backbone, relative to the rest.

    Raises:
        IsegmError: parts whose channels do not fit each other.
    """

    protocol = "cdnet"
    prev_mask = False

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        fusion: nn.Module,
        feature_diffusion: nn.Module,
        pixel_diffusion: nn.Module | None,
        latents: int = 4,
        clicks: nn.Module | None = None,
        backbone_lr: float = 0.1,
    ):
        super().__init__()
        check_fit(
            ("fusion.in_channels", fusion.in_channels, 2),
            ("head.in_channels", head.in_channels, backbone.out_channels),
            ("feature_diffusion.channels", feature_diffusion.channels, head.out_channels),
        )
        if latents < 0:
            raise IsegmError(f"latents={latents}: expected a number of answers, 0 for none")
        self.backbone, self.head, self.fusion = backbone, head, fusion
        self.feature_diffusion, self.pixel_diffusion = feature_diffusion, pixel_diffusion
        self.adjustable = () if pixel_diffusion is None else (STEPS,)
        self.latent = SepConvHead(head.out_channels, latents) if latents else None
        self.clicks, self.normalise, self.backbone_lr = clicks or Disks(), Normalise(), backbone_lr
        self.focal, self.diversity = NormalizedFocalLoss(alpha=0.5, gamma=2), DiversityLoss()
        xavier_gluon_(self)

    def forward(self, round_: Round) -> Prediction:
        """The network's answer, before pixel diffusion.

        For training, ``aux["gate"]`` is the object map of the feature diffusion, ``B 1 H W`` in [0,
        1], and ``aux["latent"]`` holds the logits of the additional answers, ``B latents H W``.
        """
        size = round_.image.shape[-2:]
        logits, gate, features = self._answered(round_)
        aux = {"gate": resize(gate, size)}
        if self.latent is not None:
            aux["latent"] = resize(self.latent(features).float(), size)
        return Prediction(resize(logits.float(), size), aux)

    def infer(self, round_: Round) -> Prediction:
        """The answer after pixel diffusion. As published, a view and its mirror image are averaged
        before it.
        """
        image, clicks = round_.image, round_.clicks
        logits = resize(self._answered(round_)[0].float(), image.shape[-2:])
        if self.pixel_diffusion is None:
            return Prediction(logits)
        if round_.mirrored:
            (image, _), (yx, _), (label, _) = (x.chunk(2) for x in (image, clicks.yx, clicks.label))
            straight, mirrored = logits.chunk(2)
            logits, clicks = 0.5 * (straight + mirrored.flip(-1)), Clicks(yx, label)
        logits = self.pixel_diffusion(image, logits, self.clicks(clicks, image.shape[-2:]))
        return Prediction(torch.cat([logits, logits.flip(-1)]) if round_.mirrored else logits)

    def losses(self, pred: Prediction, target: Tensor, round_: Round) -> dict[str, Tensor]:
        losses = {
            "instance": self.focal(pred.logits, target).mean(),
            "gate": GATE_LOSS * self.focal.of_prob(pred.aux["gate"], target).mean(),
        }
        if "latent" in pred.aux:
            disks = self.clicks(round_.clicks, target.shape[-2:])
            losses["diversity"] = self.diversity(pred.aux["latent"], target, disks)
        return losses

    def lr_multiplier(self, name: str) -> float:
        """As in the published wrapper, the backbone is slow."""
        return self.backbone_lr if name.startswith("backbone.") else 1.0

    def _answered(self, round_: Round) -> tuple[Tensor, Tensor, Tensor]:
        """Logits ``B 1 h w``, the gate, and the decoder's features ``B C h w``, at a quarter of the
        size.
        """
        size, diffusion = round_.image.shape[-2:], self.feature_diffusion
        image = self.normalise(round_.image)
        first, *_, last = self.backbone(*self.fusion(image, self.clicks(round_.clicks, size)))
        coarse, skip = self.head.aspp(last), self.head.skip(first)
        sources = diffusion.clicks(round_.clicks, size)  # B 2 H W
        coarse, gate = diffusion(coarse, resize(sources, coarse.shape[-2:]))
        logits, _, features = self.head.after((resize(coarse, skip.shape[-2:]), skip), "pyramid")
        return logits, gate, features


def cdnet(
    layers: int = 34,
    width: int = 128,
    resnet_width: int = 64,
    fusion: Spec | None = None,
    pixel_diffusion: bool = True,
    click_radius: float = 5,
    **options: Any,
) -> Spec:
    """The spec of CDNet on a ResNet with DeepLabV3+; ``options``: more arguments of ``CDNet``.

    Published: ``(34, 128)`` with the default ``Conv1S`` fusion.
    """
    return spec(
        CDNet,
        backbone=spec(ResNet, layers=layers, width=resnet_width),
        head=deeplab_head(layers, width, resnet_width=resnet_width),
        fusion=fusion or spec(Conv1S, in_channels=2),
        feature_diffusion=spec(FeatureDiffusion, channels=width),
        pixel_diffusion=spec(PixelDiffusion) if pixel_diffusion else None,
        **{"clicks": spec(Disks, radius=click_radius), **options},
    )


MODES = (Mode("CDNet", needs=CDNet),)  # one pass; the name in published scripts


def tiny() -> CDNet:
    """A CDNet that runs in milliseconds on a CPU, for tests and for `synthetic`."""
    return build(cdnet(layers=10, width=32, resnet_width=8))
