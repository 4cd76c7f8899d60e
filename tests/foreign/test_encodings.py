import gc
import threading
import time

import numpy as np
import pytest

from isegm.core.rounds import PerRow, join_states, split_state, state_shape
from isegm.foreign.encodings import Encodings


def image(value: int) -> np.ndarray:
    return np.full((4, 5, 3), value, np.uint8)


def test_an_encoding_lives_as_long_as_it_is_held() -> None:
    calls = []
    encodings = Encodings(lambda x: calls.append(int(x[0, 0, 0])) or [x.copy()], newest=2)
    held = encodings.of(image(1))
    for value in (2, 3, 4):
        encodings.of(image(value))
    assert encodings.of(image(1)) is held  # a session holds it
    encodings.of(image(4))  # one of the newest
    assert calls == [1, 2, 3, 4]
    gc.collect()
    encodings.of(image(2))  # nobody held it
    assert calls == [1, 2, 3, 4, 2]


def test_the_shape_belongs_to_the_content() -> None:
    encodings = Encodings(lambda x: x.shape)
    flat = np.zeros((4, 5, 3), np.uint8)
    assert encodings.of(flat).value != encodings.of(flat.reshape(5, 4, 3)).value


def test_threads_wait_for_one_encoding() -> None:
    calls = []

    def slow(x: np.ndarray) -> int:
        calls.append(1)
        time.sleep(0.05)
        return len(calls)

    encodings, found = Encodings(slow), []
    threads = [
        threading.Thread(target=lambda: found.append(encodings.of(image(7)))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert all(each is found[0] for each in found)


def test_a_failure_is_not_remembered() -> None:
    calls = []

    def fails_once(x: np.ndarray) -> int:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("once")
        return 5

    encodings = Encodings(fails_once)
    with pytest.raises(ValueError, match="once"):
        encodings.of(image(1))
    assert encodings.of(image(1)).value == 5


def test_states_of_any_kind_travel_through_a_batch() -> None:
    a, b = object(), object()
    joined = join_states([PerRow((a,)), PerRow((b,))])
    assert joined.rows == (a, b)
    assert split_state(joined, 1, 2).rows == (b,)
    mirrored = join_states([PerRow((a, 1)), PerRow((b, 2))], mirrored=True)
    assert mirrored.rows == (a, b, 1, 2)
    assert split_state(mirrored, 1, 2, mirrored=True).rows == (b, 2)
    assert state_shape(PerRow((a,))) == state_shape(PerRow((b,)))
