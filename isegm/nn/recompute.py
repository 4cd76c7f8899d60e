"""Activation checkpointing: the backward pass computes a block again instead of remembering what
was inside (arXiv 1604.06174).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from isegm.core.errors import IsegmError


class Blocks(nn.Module):
    """A network of equal blocks, which may be computed twice to save memory.

    Attributes:
        recompute: in training, keep only the inputs of blocks. Gradients do not change, random
            numbers included.
    """

    recompute: bool = False

    def run(self, block: nn.Module, *inputs: Any) -> Any:
        """The output of a block."""
        if self.recompute and torch.is_grad_enabled():
            return checkpoint(block, *inputs, use_reentrant=False)
        return block(*inputs)


def recompute_blocks(model: nn.Module) -> None:
    """Switch activation checkpointing on in every part of a network that has blocks.

    Raises:
        IsegmError: there is no such part.
    """
    parts = [module for module in model.modules() if isinstance(module, Blocks)]
    if not parts:
        raise IsegmError(
            f"train.activation_checkpointing: {type(model).__name__} has no transformer blocks that"
            " could be computed again; leave it off, and save memory with train.micro_batch"
        )
    for part in parts:
        part.recompute = True
