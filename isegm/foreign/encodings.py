"""Encodings of images, each computed once while a session needs it."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

Key = tuple[tuple[int, ...], bytes]


@dataclass(frozen=True, eq=False)
class Encoding:
    """What ``Adapter.encode`` returned for an image."""

    value: Any


class Encodings:
    """Remembers a pure function of images by their content, so no answer depends on it.

    An encoding lives as long as a session holds it; the newest few live on, for the next object of
    the same image.

    Args:
        encode: the function, of ``H W 3`` uint8.
        newest: how many encodings are kept that no session holds.
    """

    def __init__(self, encode: Callable[[np.ndarray], Any], newest: int = 4) -> None:
        self._encode, self._newest = encode, newest
        self._held: WeakValueDictionary[Key, Encoding] = WeakValueDictionary()
        self._recent: OrderedDict[Key, Encoding] = OrderedDict()
        self._busy: dict[Key, threading.Lock] = {}
        self._lock = threading.Lock()

    def of(self, image: np.ndarray) -> Encoding:
        """The encoding of an image; threads that ask for the same one wait for each other."""
        key = image.shape, hashlib.blake2b(np.ascontiguousarray(image), digest_size=32).digest()
        with self._lock:
            busy = self._busy.setdefault(key, threading.Lock())
        with busy:
            try:
                return self._kept(key, image)
            finally:
                with self._lock:
                    self._busy.pop(key, None)

    def _kept(self, key: Key, image: np.ndarray) -> Encoding:
        with self._lock:
            known = self._held.get(key)
        made = Encoding(self._encode(image)) if known is None else known
        with self._lock:
            self._held[key] = self._recent[key] = made
            self._recent.move_to_end(key)
            if len(self._recent) > self._newest:
                self._recent.popitem(last=False)
        return made

    def __deepcopy__(self, memo: dict) -> Encodings:
        """A copied model encodes for itself."""
        return Encodings(self._encode, self._newest)
