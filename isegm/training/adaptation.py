"""Which weights of a network learn; a part of an experiment (``train.adapt``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn
from torch.nn.functional import batch_norm

from isegm.core.errors import IsegmError, unknown
from isegm.methods.base import ClickModel
from isegm.nn.low_rank import LowRankLinear


class Adaptation(Protocol):
    """Settings; only ``apply`` must be written."""

    def apply(self, model: ClickModel) -> None:
        """Change a network in place, after its initial weights are loaded. Its state dict must stay
        that of the plain network.
        """
        ...


@dataclass(frozen=True)
class Frozen:
    """Parts of the network keep their weights, and their batch norms the statistics.

    Args:
        parts: dotted names of modules or parameters.
        except_for: parts of these parts that learn nevertheless, e.g. the input for clicks of a
            backbone that knows only images.

    Raises:
        IsegmError: nothing is frozen.
    """

    parts: Sequence[str] = ("backbone",)
    except_for: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not self.parts:
            raise IsegmError("parts=[] of Frozen: expected names of modules, e.g. [backbone]")

    def apply(self, model: ClickModel) -> None:
        """Freeze.

        Raises:
            IsegmError: a part that the network does not have, or nothing is left to learn.
        """
        known = {name for name, _ in (*model.named_modules(), *model.named_parameters()) if name}
        for part in (*self.parts, *self.except_for):
            if part not in known:
                raise unknown(f"part of {type(model).__name__}", part, known)
        for name, parameter in model.named_parameters():
            if self._freezes(name):
                parameter.requires_grad_(False)
        for name, norm in list(model.named_modules()):
            if isinstance(norm, nn.modules.batchnorm._BatchNorm) and self._freezes(name):
                replace_module(model, name, FixedBatchNorm(norm))
        if not any(parameter.requires_grad for parameter in model.parameters()):
            raise IsegmError(f"parts={list(self.parts)} of Frozen: nothing is left to learn")

    def _freezes(self, name: str) -> bool:
        return _inside(name, self.parts) and not _inside(name, self.except_for)


@dataclass(frozen=True)
class LoRA:
    """A frozen backbone, some of whose linear layers learn a change of low rank; the rest of the
    network learns as usual. Checkpoints hold plain weights, see ``LowRankLinear``.

    Source: LoRA (arXiv 2106.09685), section 4; rank and scale are common choices, not published for
    clicks.

    Args:
        rank: of the changes.
        alpha: the change is multiplied by alpha / rank.
        layers: the ends of the names of the linear layers, e.g. those of attention.
        parts, except_for: what is frozen otherwise, see ``Frozen``.

    Raises:
        IsegmError: a rank below 1, or an alpha that is not above 0.
    """

    rank: int = 8
    alpha: float = 16.0
    layers: Sequence[str] = ("attn.qkv", "attn.proj")
    parts: Sequence[str] = ("backbone",)
    except_for: Sequence[str] = ("backbone.patch_embed_coords",)

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise IsegmError(f"rank={self.rank} of LoRA: expected at least 1")
        if not self.alpha > 0:
            raise IsegmError(f"alpha={self.alpha} of LoRA: expected a number above 0")

    def apply(self, model: ClickModel) -> None:
        """Freeze, and replace the chosen layers.

        Raises:
            IsegmError: as ``Frozen``, or no layer has such a name.
        """
        Frozen(self.parts, self.except_for).apply(model)
        linear = dict(self._linear(model))
        chosen = {n: m for n, m in linear.items() if _ends(n, self.layers)}
        if not chosen:
            ends = sorted({".".join(name.split(".")[-2:]) for name in linear})
            some = ", ".join(ends[:8]) or "no linear layer"
            raise IsegmError(
                f"layers={list(self.layers)} of LoRA: {', '.join(self.parts)} of"
                f" {type(model).__name__} has no such linear layer, but {some}"
            )
        for name, layer in chosen.items():
            replace_module(model, name, LowRankLinear(layer, self.rank, self.alpha))

    def _linear(self, model: ClickModel) -> Iterator[tuple[str, nn.Linear]]:
        for name, module in model.named_modules():
            if isinstance(module, nn.Linear) and _inside(name, self.parts):
                yield name, module


class FixedBatchNorm(nn.Module):
    """A batch norm that always uses its stored statistics, under the same names."""

    def __init__(self, norm: nn.modules.batchnorm._BatchNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps
        for name, buffer in norm.named_buffers():
            self.register_buffer(name, buffer)

    def forward(self, x: Tensor) -> Tensor:
        statistics = self.running_mean, self.running_var
        return batch_norm(x, *statistics, self.weight, self.bias, eps=self.eps)


def replace_module(model: nn.Module, name: str, module: nn.Module) -> None:
    """Put another module in the place of the one with a dotted name."""
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)


def _inside(name: str, parts: Sequence[str]) -> bool:
    return any(name == part or name.startswith(f"{part}.") for part in parts)


def _ends(name: str, ends: Sequence[str]) -> bool:
    return any(f".{name}".endswith(f".{end}") for end in ends)
