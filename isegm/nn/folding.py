"""Folding batch norms into convolutions: the same function with less memory traffic, for
evaluation only.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


@torch.no_grad()
def fold_batch_norms(model: nn.Module, run: Callable[[], object]) -> int:
    """Fold every batch norm that directly follows a convolution into it, in place; returns their
    number.

    Names do not tell what follows what, so a run does: a batch norm is folded if its input is the
    very tensor that a convolution returned. Subclasses are left alone, since they may do more,
    except timm's norms with an activation, of which the activation stays.

    Args:
        model: in eval mode; its weights are changed, so pass a copy.
        run: runs the model once on any input.
    """
    # By the id of the output, which is kept so that the id is not reused.
    producer: dict[int, tuple[nn.Conv2d, Tensor]] = {}
    pairs: dict[nn.BatchNorm2d, nn.Conv2d] = {}
    uses: dict[nn.Conv2d, int] = {}

    def record_output(conv: nn.Conv2d, _: object, output: Tensor) -> None:
        producer[id(output)] = (conv, output)
        uses[conv] = uses.get(conv, 0) + 1

    def record_input(norm: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
        if id(inputs[0]) in producer:
            pairs[norm] = producer[id(inputs[0])][0]

    hooks = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            hooks.append(module.register_forward_hook(record_output))
        elif type(module) in (nn.BatchNorm2d, BatchNormAct2d):
            hooks.append(module.register_forward_pre_hook(record_input))
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    # A convolution whose output is used twice, or that runs twice, keeps its norm.
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
            timm_norm = isinstance(child, BatchNormAct2d)
            rest = nn.Sequential(child.drop, child.act) if timm_norm else nn.Identity()
            setattr(module, name, rest)
        else:
            _replace(child, norms)
