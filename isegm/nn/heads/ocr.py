"""The object-contextual head (OCR, arXiv 1909.11065) with a single class, as f-BRS, RITM and
FocalClick use it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from isegm.core.errors import IsegmError
from isegm.core.registry import Spec, spec


class OCRHead(nn.Module):
    """A first guess (``aux``) pools the features of the object; the pooled vector helps to classify
    every pixel.

    Args:
        in_channels: channels of the features, 15 * width for HRNet.
        width: channels of keys and values; published: 48 (HRNet-18s), 64 (HRNet-18), 128 (HRNet-32
            and 48).
        slow_classifiers: the two classifiers train at the backbone's rate (RITM:
            ``is_hrnet_model.py``) instead of the full one (f-BRS).

    Attributes:
        in_channels, out_channels: of the features and of the context features.
        slow_parts: the parts that train at the backbone's rate.
        insertion_points: where f-BRS can modify features: A and B before the first guess, C before
            the last classifier.
        feedback_point, feedback_channels: where FCFI integrates feedback (before the head), and the
            channels there.
    """

    insertion_points = ("A", "B", "C")
    feedback_point = "A"

    def __init__(self, in_channels: int, width: int, slow_classifiers: bool = True):
        super().__init__()
        self.in_channels, self.out_channels = in_channels, 2 * width
        self.feedback_channels = in_channels
        self.slow_parts = ("aux.", "classify.") if slow_classifiers else ()
        self.aux = nn.Sequential(
            nn.Conv2d(in_channels, in_channels, 1),
            nn.BatchNorm2d(in_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(in_channels, 1, 1),
        )
        self.reduce = nn.Sequential(
            nn.Conv2d(in_channels, 2 * width, 3, padding=1),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(inplace=True),
        )
        self.attention = ObjectAttention(2 * width, width)
        self.merge = nn.Sequential(
            nn.Conv2d(4 * width, 2 * width, 1, bias=False), _bn_relu(2 * width), nn.Dropout2d(0.05)
        )
        self.classify = nn.Conv2d(2 * width, 1, 1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Classify pixels.

        Args:
            features: ``B C h w``.

        Returns:
            logits ``B 1 h w``, the first guess ``B 1 h w`` (logits), and context features ``B
            2*width h w``.

        Raises:
            IsegmError: a single sample in training mode; batch norm over one pooled vector has no
                variance.
        """
        return self.after(self.before(features, "A"), "A")

    def before(self, features: Tensor, point: str) -> tuple[Tensor, ...]:
        """Everything before an insertion point: first the tensor to modify there, then what else
        ``after`` needs.
        """
        return self._context(features) if point == "C" else (features,)

    def after(self, parts: tuple[Tensor, ...], point: str) -> tuple[Tensor, Tensor, Tensor]:
        """Everything after an insertion point; returns what ``forward`` does."""
        context, aux = parts if point == "C" else self._context(parts[0])
        return self.classify(context), aux, context

    def _context(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Context features and the first guess."""
        if self.training and len(features) < 2:
            raise IsegmError(
                "training with the OCR head needs at least 2 samples per process: raise the batch"
                " size"
            )
        aux = self.aux(features)
        pixels = self.reduce(features)
        attention = aux.flatten(2).softmax(-1)  # B 1 hw: over pixels, not over classes
        pooled = attention @ pixels.flatten(2).transpose(1, 2)  # B 1 C
        context = self.attention(pooled.transpose(1, 2)[..., None], pixels.shape[-2:])
        return self.merge(torch.cat([context, pixels], 1)), aux


class ObjectAttention(nn.Module):
    """Attention of every pixel over the object regions, of which there is one.

    The softmax over a single region is always 1, so every pixel gets the same value, and
    ``f_pixel`` and ``f_object`` have no effect. They exist because published checkpoints hold them.

    # differs from the original: they are neither computed nor trained (their gradient was zero).
    """

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.f_pixel, self.f_object = (
            nn.Sequential(*_projection(channels, width), *_projection(width, width))
            for _ in range(2)
        )
        self.f_pixel.requires_grad_(False)
        self.f_object.requires_grad_(False)
        self.f_down = nn.Sequential(*_projection(channels, width))
        self.f_up = nn.Sequential(*_projection(width, channels))

    def forward(self, pooled: Tensor, size: tuple[int, int]) -> Tensor:
        """``B C 1 1`` to ``B C h w``."""
        value = self.f_down(pooled)
        if self.training:  # as in the original, batch norm then counts pixels; same result
            value = value.expand(-1, -1, *size)
        return self.f_up(value).expand(-1, -1, *size)


def _projection(inputs: int, outputs: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(inputs, outputs, 1, bias=False), _bn_relu(outputs)


def _bn_relu(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


def ocr_head(width: int, ocr_width: int, **options: Any) -> Spec:
    """The spec of the head on an HRNet of a width; ``options``: more arguments of ``OCRHead``."""
    return spec(OCRHead, in_channels=15 * width, width=ocr_width, **options)
