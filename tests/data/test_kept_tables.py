"""Annotation tables are made once, and every process maps the same files."""

import multiprocessing
import os
import pickle
import time
from pathlib import Path

import numpy as np
import pytest
from layouts import coco, coco_lvis

from isegm.core.errors import IsegmError
from isegm.data.labelled import object_index
from isegm.data.sources.coco import CocoInstances
from isegm.data.sources.coco_lvis import CocoLvis
from isegm.data.tables import Ragged, Tables, Texts, kept_tables

ROWS = [[1, 2, 3], [], [4]]


def small_tables() -> Tables:
    return {
        "rows": Ragged(ROWS, np.int32),
        "names": Texts(["a", "", "größe"]),
        "none": Ragged([], np.int16),
    }


def make_slowly(cache: Path, source: Path, made: Path) -> None:
    def build() -> Tables:
        with made.open("a") as file:
            file.write("made\n")
        time.sleep(0.3)
        return small_tables()

    kept_tables(cache, "t", [source], build)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "annotations.json"
    path.write_text("{}")
    return path


def test_made_once_and_mapped(tmp_path: Path, source: Path) -> None:
    made = []

    def build() -> Tables:
        made.append(1)
        return small_tables()

    for _ in range(2):
        tables = kept_tables(tmp_path / "cache", "t", [source], build)
        assert [tables["rows"][i].tolist() for i in range(3)] == ROWS
        assert list(tables["names"]) == ["a", "", "größe"]
        assert len(tables["none"]) == 0
    assert len(made) == 1
    source.write_text("{} ")
    kept_tables(tmp_path / "cache", "t", [source], build)
    assert len(made) == 2, "another annotation file, other tables"
    kept_tables(None, "t", [source], build)
    assert len(made) == 3


def test_only_tables_of_the_present_state_are_kept(tmp_path: Path, source: Path) -> None:
    cache, elsewhere = tmp_path / "cache", tmp_path / "elsewhere.json"
    elsewhere.write_text("{}")
    for path in (cache / "t_other_name", cache / f"tt_{'0' * 16}"):
        path.mkdir(parents=True)
    kept_tables(cache, "t", [elsewhere], small_tables)
    kept_tables(cache, "t", [source], small_tables)
    first = {path.name for path in cache.iterdir()}
    source.write_text("{} ")
    kept_tables(cache, "t", [source], small_tables)
    now = {path.name for path in cache.iterdir()}
    assert len(first - now) == len(now - first) == 1, (
        "the new tables took the place of the old ones, and no others"
    )
    assert {"t_other_name", f"tt_{'0' * 16}"} <= now


def test_lists_of_objects_are_kept_alike(tmp_path: Path) -> None:
    path = tmp_path / "labels.png"
    for number in (1, 2):
        path.write_bytes(bytes(number))
        for _ in range(2):
            found = object_index(
                "set",
                [path],
                lambda _, number=number: np.full((2, 2), number),
                None,
                tmp_path / "cache",
            )
            assert found == [[number]]
        assert len(list((tmp_path / "cache").iterdir())) == 1


def test_pickles_hold_no_numbers(tmp_path: Path, source: Path) -> None:
    """A spawned worker is sent the place of the files."""
    large = kept_tables(
        tmp_path, "t", [source], lambda: {"rows": Ragged(np.ones((100, 1000)), np.float64)}
    )["rows"]
    assert len(pickle.dumps(large)) < 1000
    assert np.array_equal(pickle.loads(pickle.dumps(large)).values(), large.values())
    texts = kept_tables(tmp_path, "u", [source], lambda: {"texts": Texts(["x" * 10_000])})["texts"]
    assert len(pickle.dumps(texts)) < 1000


def test_processes_that_start_together_make_them_once(tmp_path: Path, source: Path) -> None:
    fork = multiprocessing.get_context("fork")
    arguments = (tmp_path / "cache", source, tmp_path / "made")
    started = [fork.Process(target=make_slowly, args=arguments) for _ in range(3)]
    for process in started:
        process.start()
    for process in started:
        process.join()
        assert process.exitcode == 0
    assert (tmp_path / "made").read_text() == "made\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(
    tmp_path: Path, source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    assert kept_tables(tmp_path / "locked" / "cache", "t", [source], small_tables)["rows"][
        0
    ].tolist() == [1, 2, 3]
    assert "cannot be kept" in caplog.text


def test_a_file_in_the_way(tmp_path: Path, source: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert kept_tables(source / "cache", "t", [source], small_tables)["rows"][0].tolist() == [
        1,
        2,
        3,
    ]
    assert "cannot be kept" in caplog.text


def test_errors_leave_nothing_behind(tmp_path: Path, source: Path) -> None:
    def build() -> Tables:
        raise IsegmError("no such annotations")

    with pytest.raises(IsegmError):
        kept_tables(tmp_path / "cache", "t", [source], build)
    assert kept_tables(tmp_path / "cache", "t", [source], small_tables)["rows"][2].tolist() == [4]


def test_sources_read_the_same_with_and_without(tmp_path: Path) -> None:
    coco(tmp_path / "COCO")
    coco_lvis(tmp_path / "COCO_LVIS")
    cache = tmp_path / "cache"
    makers = [
        lambda cache: CocoInstances(tmp_path / "COCO", "train2017", cache),
        lambda cache: CocoLvis(tmp_path / "COCO_LVIS", "train", 0.5, cache=cache),
    ]
    for make in makers:
        plain, kept, reopened = make(None), make(cache), make(cache)
        reopened = pickle.loads(pickle.dumps(reopened))
        assert len(plain) == len(kept) == len(reopened)
        assert plain.object_count == reopened.object_count
        for index in range(len(plain)):
            one, other = (
                source.read(index, np.random.default_rng(3)) for source in (plain, reopened)
            )
            assert one.objects == other.objects
            assert np.array_equal(one.layers, other.layers)
