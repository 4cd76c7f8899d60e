"""Folding batch norm into the convolution before it: the same function with fewer passes over
memory, for evaluation only.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


@torch.no_grad()
def fold_batch_norms(model: nn.Module, run: Callable[[], object]) -> int:
    """Fold every batch norm that directly follows a convolution into it, in place; returns how
    many.

    Which follows which is not guessed from names but seen in a run: a batch norm whose input is the
    very tensor that a convolution just returned. Norms of a subclass stay as they are, for nobody
    knows what else they do; those of timm that hold an activation leave it behind.

    Args:
        model: in eval mode; its weights are changed, so give it a copy.
        run: runs the model once on any input.
    """
    producer: dict[
        int, tuple[nn.Conv2d, Tensor]
    ] = {}  # the tensor is kept, or its id could be used again
    pairs: dict[nn.BatchNorm2d, nn.Conv2d] = {}
    uses: dict[nn.Conv2d, int] = {}

    def made(conv: nn.Conv2d, _: object, output: Tensor) -> None:
        producer[id(output)] = (conv, output)
        uses[conv] = uses.get(conv, 0) + 1

    def taken(norm: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
        found = producer.get(id(inputs[0]))
        if found is not None:
            pairs[norm] = found[0]

    hooks = [m.register_forward_hook(made) for m in model.modules() if isinstance(m, nn.Conv2d)]
    foldable = (nn.BatchNorm2d, BatchNormAct2d)
    hooks += [m.register_forward_pre_hook(taken) for m in model.modules() if type(m) in foldable]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    # A convolution whose output goes two ways, or that runs twice, keeps its norm.
    once = {
        norm: conv
        for norm, conv in pairs.items()
        if uses[conv] == 1 and list(pairs.values()).count(conv) == 1
    }
    for norm, conv in once.items():
        fused = fuse_conv_bn_eval(conv, norm)
        conv.weight, conv.bias = fused.weight, fused.bias
    _replace(model, set(once))
    return len(once)


def _replace(module: nn.Module, norms: set[nn.BatchNorm2d]) -> None:
    for name, child in module.named_children():
        if child in norms:
            rest = (
                nn.Sequential(child.drop, child.act)
                if isinstance(child, BatchNormAct2d)
                else nn.Identity()
            )
            setattr(module, name, rest)
        else:
            _replace(child, norms)
