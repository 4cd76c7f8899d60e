"""Damage for files: what tests/fuzz tries on every reader, the same at every run."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

few = settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 70_000),
    st.sampled_from([2**31, 2**63, -(2**63), 10**30]),
    st.floats(),
    st.text(max_size=8),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file with bytes changed, left out or put in; cut off; or of noise alone."""
    kind = draw(st.sampled_from(["change", "change", "cut", "insert", "remove", "noise"]))
    if kind == "noise":
        return draw(st.binary(max_size=64))
    if kind == "cut":
        return whole[: draw(st.integers(0, len(whole)))]
    data = bytearray(whole)
    # Headers decide most, so half of the places are near the start.
    for _ in range(draw(st.integers(1, 4))):
        end = draw(st.sampled_from([min(64, len(data)), len(data)]))
        place = draw(st.integers(0, max(0, end - 1)))
        if kind == "change" and data:
            data[place] = draw(st.integers(0, 255))
        elif kind == "insert":
            data[place:place] = draw(st.binary(min_size=1, max_size=8))
        else:
            del data[place : place + draw(st.integers(1, 8))]
    return bytes(data)


def _places(value: Any, above: tuple = ()) -> list[tuple]:
    """The paths of all values inside a value."""
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    return [above] * bool(above) + [p for key, v in pairs for p in _places(v, (*above, key))]


@st.composite
def edited(draw: st.DrawFn, value: Any) -> Any:
    """Plain data with one or two values replaced by any other, or left out."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 2))):
        places = _places(value)
        if not places:
            return draw(VALUES)
        *above, last = draw(st.sampled_from(places))
        holder = value
        for key in above:
            holder = holder[key]
        if draw(st.booleans()) or isinstance(holder, list):
            holder[last] = draw(VALUES)
        else:
            del holder[last]
    return value


def as_text(value: Any) -> bytes:
    """JSON, in which NaN and infinity are allowed, as Python writes it."""
    return json.dumps(value).encode()


def json_damage(value: Any) -> st.SearchStrategy[bytes]:
    """A JSON file with other values in it, or with other bytes."""
    changed = edited(value).map(as_text)
    return st.one_of(changed, changed, damaged(as_text(value)))
