"""A second device for tests, without a GPU: tensors that say they are on ``cuda:0``, and hold their
values on the CPU.

Torch refuses what it would refuse on a GPU: an operation on tensors of two devices, ``numpy()`` of
a tensor that is not on the CPU. So device mistakes show on any machine.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")
# Operations that may read an index, a size or a mask from the CPU, as they may on a GPU.
INDEXED = {
    torch.ops.aten.index.Tensor,
    torch.ops.aten.index_put.default,
    torch.ops.aten.index_put_.default,
    torch.ops.aten._index_put_impl_.default,
}
COPIES = {torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default}


class Far(Tensor):
    """A tensor that says it is on the GPU. To torch's own code it is on ``meta``, which needs no
    driver.

    Attributes:
        held: its values, on the CPU.
    """

    @staticmethod
    def __new__(cls, held: Tensor) -> Far:
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device="meta",
            requires_grad=held.requires_grad,
        )
        made.held = held
        return made

    @property
    def device(self) -> torch.device:
        return CUDA

    @property
    def is_meta(self) -> bool:
        return False

    def __getitem__(self, index):
        # From a list torch would make an index on `meta`, where it has no values.
        return super().__getitem__(torch.tensor(index) if isinstance(index, list) else index)

    def new_tensor(self, data, **kwargs) -> Far:
        return Far(self.held.new_tensor(data, **kwargs))

    def tolist(self) -> list:
        return self.held.tolist()

    def __repr__(self) -> str:
        return f"Far({self.held})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return dispatched(func, args, kwargs or {})


class MixedDevices(RuntimeError):
    """An operation got tensors of both devices."""


def dispatched(func, args, kwargs):
    """Run an operation on the CPU; its result lies where a GPU's would."""
    device = kwargs.get("device")
    if device is not None:
        kwargs = {**kwargs, "device": CPU}
    tensors = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, Tensor)]
    far = [isinstance(value, Far) for value in tensors]
    # As on a GPU, a number in a CPU tensor may meet a tensor of the GPU.
    near = [t for t, is_far in zip(tensors, far, strict=True) if not is_far and t.dim()]
    if any(far) and near and func not in INDEXED | COPIES:
        raise MixedDevices(f"{func}: tensors on cuda:0 and cpu, {[tuple(t.shape) for t in near]}")
    if func in INDEXED and not far[0] and any(far[1:]):
        raise MixedDevices(f"{func}: a tensor on the cpu, indexed by one on cuda:0")
    held = tree_map_only(Far, lambda t: t.held, (args, kwargs))
    result = func(*held[0], **held[1])
    if func is torch.ops.aten.copy_.default:
        return args[0]
    if func is torch.ops.aten._local_scalar_dense.default:
        return result
    goes_far = torch.device(device).type != "cpu" if device is not None else any(far)
    mutated = func._schema.name.endswith("_") and isinstance(args[0], Far)
    if mutated:
        return args[0]
    return tree_map_only(Tensor, Far, result) if goes_far else result


class Factories(TorchDispatchMode):
    """Lets tensors be made on the pretended device."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return dispatched(func, args, kwargs or {})


@contextlib.contextmanager
def pretended_gpu(monkeypatch) -> Iterator[torch.device]:
    """Within the context there is a device ``cuda:0``."""
    monkeypatch.setattr(torch.cuda, "_lazy_init", lambda: None)
    monkeypatch.setattr(torch, "inference_mode", torch.no_grad)  # views of subclasses need it
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device=None: None)
    tensor = torch.tensor  # copies to a device below the level where it can be caught

    def made(data, *, device=None, **kwargs):
        here = tensor(data, **kwargs)
        return here if device is None else here.to(device)

    monkeypatch.setattr(torch, "tensor", made)
    with Factories():
        yield CUDA
