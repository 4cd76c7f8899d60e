"""One round of interaction: what a model is shown, what it answers, and the session that a user
sees.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from isegm.core.boxes import Box
from isegm.core.clicks import Click, Clicks


@dataclass(frozen=True)
class Round:
    """What a model sees.

    Attributes:
        image: ``B 3 H W`` float, RGB in [0, 1], not normalised.
        clicks: every click so far, in pixels of this view.
        prev_prob: ``B 1 H W`` in [0, 1], the previous answer in this view; zeros before the first.
        state: ``Prediction.state`` of the last round (None on the first), one row per row of
            ``image``.
        fresh_view: the crop or its size changed, or this is the first round, so whatever in
            ``state`` is bound to pixels no longer fits.
        mirrored: the batch is ``[views, mirrored views]``; the second half shows the first half
            flipped left-right.
        seeds: in training one non-negative number per row, which determines all random draws of a
            method for that sample.
        initial_clicks: the number of columns of ``clicks`` before the first answer: 1 from a user,
            in training all that were sampled (padding included).
        features: ``ClickModel.encode_image`` of ``image``, if it is known; None: the network
            computes it.
    """

    image: Tensor
    clicks: Clicks
    prev_prob: Tensor
    state: Any = None
    fresh_view: bool = True
    mirrored: bool = False
    seeds: tuple[int, ...] = ()
    initial_clicks: int = 1
    features: Any = None


@dataclass(frozen=True, eq=False)
class PerRow:
    """A state of any kind: one value for each row of the image, handed on as it is, neither joined
    nor copied. So sessions can share what they never change.
    """

    rows: tuple[Any, ...]


@dataclass(frozen=True)
class Prediction:
    """What a model answers: raw ``logits`` (``B 1 H W`` at the size of ``Round.image``), named
    extras, and a new state.

    ``state`` is None, a tensor, or a (nested) tuple, dict or dataclass of tensors, each with one
    row per row of the image; or a ``PerRow``.
    """

    logits: Tensor
    aux: dict[str, Tensor] = field(default_factory=dict)
    state: Any = None

    def row(self, index: int) -> Prediction:
        """The answer for one sample, without state."""
        rows = slice(index, index + 1)
        return Prediction(
            self.logits[rows], {name: value[rows] for name, value in self.aux.items()}
        )


@dataclass(frozen=True)
class Session:
    """One image and one object, as a value: a click makes a new session, and to undo is to keep the
    old one.

    Attributes:
        image: ``1 3 H W``, RGB; uint8 in [0, 255] or float in [0, 1].
        prob: ``1 1 H W`` float32 in [0, 1], the answer the user sees.
        clicks: every click so far, in image pixels.
        box: the crop that zoom-in keeps, None while there is none.
        state: the method's own state, rows as in ``Round.state``.
        prev_prob: the previous mask for the network if it is not ``prob`` (after merging or
            post-processing).
        view: the box of the last answer, None before the first.
        view_size: rows and columns of that view.
        from_mask: it started from a mask.
        features: ``ClickModel.encode_image`` of the last view, rows as in ``Round.state``; valid
            as long as ``view`` and ``view_size`` stay the same.
        plain: the session before post-processing, from which the next click continues; None:
            ``prob`` was not post-processed.
        followed: ``1 1 H W`` in [0, 1], the map that chooses the next crop if it is not ``prob``.
        maps: maps of the newest answer for display (``ClickModel.shown_maps``), ``1 C h w`` over
            ``view``.
    """

    image: Tensor
    prob: Tensor
    clicks: tuple[Click, ...] = ()
    box: Box | None = None
    state: Any = None
    prev_prob: Tensor | None = None
    view: Box | None = None
    view_size: tuple[int, int] | None = None
    from_mask: bool = False
    followed: Tensor | None = None
    maps: dict[str, Tensor] = field(default_factory=dict)
    features: Any = None
    plain: Session | None = None

    @property
    def answered(self) -> bool:
        """Whether ``prob`` is an answer of the network rather than zeros or an initial mask."""
        return self.view is not None

    @property
    def feedback(self) -> Tensor:
        """``1 1 H W``: the previous mask that the network is shown next."""
        return self.prob if self.prev_prob is None else self.prev_prob


def storages(session: Session) -> dict[tuple[str, int], int]:
    """The memory of a session: bytes by address. Merging such mappings counts shared memory once.

    A view keeps all of its base tensor in memory.
    """
    held = {}
    maps = session.prob, session.prev_prob, session.followed, session.maps
    for tensor in _tensors([session.image, *maps, session.state, session.features]):
        storage = tensor.untyped_storage()
        held[str(storage.device), storage.data_ptr()] = storage.nbytes()
    return held if session.plain is None else held | storages(session.plain)


def join_states(states: Sequence[Any], mirrored: bool = False) -> Any:
    """Join the states of single sessions into the state of one batch.

    With ``mirrored`` each state holds two rows, straight and mirrored, and the batch lists all
    straight rows first.
    """
    first = states[0]
    if first is None:
        return None
    if isinstance(first, Tensor):
        if len(states) == 1:
            return first
        if not mirrored:
            return torch.cat(list(states))
        return torch.cat([s[:1] for s in states] + [s[1:] for s in states])
    if isinstance(first, PerRow):
        if mirrored:
            parts = [s.rows[:1] for s in states] + [s.rows[1:] for s in states]
        else:
            parts = [s.rows for s in states]
        return PerRow(tuple(row for rows in parts for row in rows))
    return _rebuild(first, lambda key: join_states([_get(s, key) for s in states], mirrored))


def split_state(state: Any, index: int, count: int, mirrored: bool = False) -> Any:
    """The state of session ``index`` out of a batch of ``count`` sessions; the inverse of
    ``join_states``.
    """
    if state is None:
        return None
    if isinstance(state, Tensor):
        if count == 1:
            return state  # no other rows keep memory alive
        rows = [index, count + index] if mirrored else [index]
        return state[rows].clone()
    if isinstance(state, PerRow):
        return PerRow(
            tuple(state.rows[i] for i in ([index, count + index] if mirrored else [index]))
        )
    return _rebuild(state, lambda key: split_state(_get(state, key), index, count, mirrored))


def state_shape(state: Any) -> Any:
    """A hashable description of a state; only states of equal shape can be joined."""
    if state is None:
        return None
    if isinstance(state, Tensor):
        return tuple(state.shape)
    if isinstance(state, PerRow):
        return PerRow, len(state.rows)
    if isinstance(state, dict):
        return tuple((key, state_shape(value)) for key, value in state.items())
    if dataclasses.is_dataclass(state):
        return tuple(state_shape(getattr(state, f.name)) for f in dataclasses.fields(state))
    return tuple(state_shape(value) for value in state)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif dataclasses.is_dataclass(value):
        for f in dataclasses.fields(value):
            yield from _tensors(getattr(value, f.name))
    elif isinstance(value, (dict, tuple, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _tensors(inner)


def _get(state: Any, key: Any) -> Any:
    return getattr(state, key) if dataclasses.is_dataclass(state) else state[key]


def _rebuild(state: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(state):
        return dataclasses.replace(
            state, **{f.name: value(f.name) for f in dataclasses.fields(state)}
        )
    if isinstance(state, dict):
        return {key: value(key) for key in state}
    if isinstance(state, (tuple, list)):
        return type(state)(value(i) for i in range(len(state)))
    raise TypeError(
        "a session state may hold tensors, tuples, dicts and dataclasses, not"
        f" {type(state).__name__}"
    )
