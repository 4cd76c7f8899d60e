"""Initialisation of networks."""

from __future__ import annotations

import math

from torch import nn


def xavier_gluon_(model: nn.Module, magnitude: float = 2.0) -> None:
    """Gluon's Gaussian Xavier: weights N(0, magnitude / mean of fan-in and fan-out), biases 0,
    norms the identity.

    Published config: ``initializer.XavierGluon(rnd_type='gaussian', magnitude=2.0)`` of every f-BRS
    and RITM script.
    """
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(module.weight)
            nn.init.normal_(module.weight, std=math.sqrt(magnitude / ((fan_in + fan_out) / 2)))
        elif (
            isinstance(module, (nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm))
            and module.weight is not None
        ):
            nn.init.ones_(module.weight)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def kaiming_(model: nn.Module) -> None:
    """He's normal initialisation of convolutions, biases 0, norms the identity (FCA-Net)."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
