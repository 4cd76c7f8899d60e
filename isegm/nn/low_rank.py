"""LoRA (arXiv 2106.09685): a fixed linear layer plus a learned change of low rank."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LowRankLinear(nn.Linear):
    """``W x + b + scale * B A x`` with fixed W and b. B starts at 0, so at first nothing differs
    from the layer it replaces.

    Its state dict is that of the plain layer, with the change merged into the weight: whatever is
    saved is a plain network. Loading sets W and b, and B to 0. ``adapters`` keeps the parts apart,
    to continue a training.

    Args:
        base: the layer to replace; its parameters are shared and fixed.
        rank: rows of A and columns of B.
        alpha: ``scale`` times the rank.
    """

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        inputs, outputs = base.in_features, base.out_features
        super().__init__(inputs, outputs, base.bias is not None, device="meta")
        self.weight, self.bias = base.weight.requires_grad_(False), base.bias
        if self.bias is not None:
            self.bias.requires_grad_(False)
        made = {"device": base.weight.device, "dtype": base.weight.dtype}
        self.lora_a = nn.Parameter(torch.empty(rank, inputs, **made))
        self.lora_b = nn.Parameter(torch.zeros(outputs, rank, **made))
        self.scale = alpha / rank
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        change = F.linear(F.linear(x, self.lora_a), self.lora_b)
        return super().forward(x) + self.scale * change

    def merged(self) -> Tensor:
        """The weight of the plain layer that answers the same, ``outputs inputs``."""
        return self.weight + self.scale * (self.lora_b @ self.lora_a)

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        merged = self.merged()
        destination[prefix + "weight"] = merged if keep_vars else merged.detach()
        if self.bias is not None:
            destination[prefix + "bias"] = self.bias if keep_vars else self.bias.detach()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        change = {"lora_a": self.lora_a.detach(), "lora_b": torch.zeros_like(self.lora_b)}
        given = state_dict | {prefix + name: value for name, value in change.items()}
        super()._load_from_state_dict(given, prefix, *others)


def adapters(model: nn.Module) -> dict[str, Tensor]:
    """W, A and B of all layers of low rank, by name; empty for a plain network."""
    return {
        f"{place}.{name}": getattr(layer, name).detach()
        for place, layer in model.named_modules()
        if isinstance(layer, LowRankLinear)
        for name in ("weight", "lora_a", "lora_b")
    }


@torch.no_grad()
def load_adapters(model: nn.Module, saved: dict[str, Tensor]) -> None:
    """Restore the output of ``adapters``."""
    for name, value in saved.items():
        model.get_parameter(name).copy_(value)
