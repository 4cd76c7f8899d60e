"""Batch norms over the batches of all processes."""

from __future__ import annotations

from timm.layers import BatchNormAct2d, convert_sync_batchnorm
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from isegm.core.errors import IsegmError

KNOWN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, BatchNormAct2d)


def synchronized(module: nn.Module) -> nn.Module:
    """The module with all its batch norms synchronized; weights stay the same parameters.

    torch's own conversion mistakes timm's norms, which hold an activation, for plain ones and
    silently drops the activation; timm's keeps it.

    Raises:
        IsegmError: there is another subclass, which neither conversion knows.
    """
    strange = {
        type(part).__name__
        for part in module.modules()
        if isinstance(part, _BatchNorm) and type(part) not in KNOWN
    }
    if strange:
        raise IsegmError(
            f"train.sync_bn cannot synchronize {', '.join(sorted(strange))}, since it may do more"
            " than a batch norm; leave sync_bn off, or use a norm of torch"
        )
    return convert_sync_batchnorm(module)
