"""Limits on what an untrusted checkpoint makes this process build: its spec is small, and its
network no larger than the weights that come with it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.modules import module as hooks

from isegm.core.errors import IsegmError
from isegm.core.registry import is_spec

DEPTH, PARTS, VALUES, CHARACTERS = 50, 1000, 100_000, 4_000_000  # of a spec
MODULES = 50_000  # of a network; the largest published one has about 2,000
SLACK = 64 * 2**20  # bytes of parameters and buffers beyond those in the file, e.g. counters
TIMES = 4  # half precision in the file, and a shared tensor that is counted twice


def check_spec_size(described: Any) -> None:
    """Raise IsegmError if a spec, or any other JSON value, is larger or deeper than any network
    needs.
    """
    left, values, parts = [(described, 0)], 0, 0
    while left:
        value, depth = left.pop()
        values, parts = values + 1, parts + is_spec(value)
        if depth > DEPTH or values > VALUES or parts > PARTS:
            raise IsegmError(
                "the spec in the checkpoint is larger than that of any network: at most"
                f" {PARTS:,} parts, {VALUES:,} values and a depth of {DEPTH} are accepted"
            )
        if isinstance(value, Mapping):
            left += [(inner, depth + 1) for inner in value.values()]
        elif isinstance(value, (list, tuple)):
            left += [(inner, depth + 1) for inner in value]


def bytes_for(tensors: Iterable[Tensor]) -> int:
    """The most bytes that a network with these weights may take.

    What a file really holds counts: a tensor may claim a large shape over a single number.
    """
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return TIMES * sum(storages.values()) + SLACK


@contextmanager
def building_at_most(size: int) -> Iterator[None]:
    """Stop building networks in this thread as soon as they take more bytes, or too many modules.

    Raises:
        IsegmError: they do.
    """
    thread, taken, modules = threading.get_ident(), 0, 0

    def count_tensor(_: nn.Module, name: str, tensor: Tensor | None) -> None:
        nonlocal taken
        if tensor is None or threading.get_ident() != thread:
            return
        taken += tensor.numel() * tensor.element_size()
        if taken > size:
            raise IsegmError(
                f"the spec in the checkpoint makes a network of more than {size >> 20} MiB, but its"
                " weights are smaller; the file is damaged or hostile"
            )

    def count_module(_: nn.Module, name: str, part: nn.Module | None) -> None:
        nonlocal modules
        modules += threading.get_ident() == thread
        if modules > MODULES:
            raise IsegmError(
                f"the spec in the checkpoint makes a network of more than {MODULES:,} layers"
            )

    handles = [
        hooks.register_module_parameter_registration_hook(count_tensor),
        hooks.register_module_buffer_registration_hook(count_tensor),
        hooks.register_module_module_registration_hook(count_module),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
