"""Worth and place of clicks by their index, on objects whose numbers are counted by hand."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from layouts import rectangle, write
from matplotlib.figure import Figure
from painted import Listed

from isegm.core.errors import IsegmError
from isegm.core.samples import Sample
from isegm.data.sources.folder import FolderEvaluation
from isegm.evaluation.click_order import centrality, click_order, rank_table
from isegm.evaluation.report import save_figure
from isegm.evaluation.results import DatasetResult, ObjectRecord, RunResult
from isegm.inference.protocol import load_protocol
from isegm.utils.config import REPOSITORY

GT = rectangle(5, 5, 16, 16).astype(
    np.int8
)  # 11 x 11: the middle is (10, 10), 6 pixels from the outside


def result(
    *objects: ObjectRecord, name: str = "listed", fingerprint: str = "f" * 64
) -> DatasetResult:
    return DatasetResult(name, fingerprint, objects, (0.9,), 20)


def record(id_: str, clicks: list[tuple[float, float, int]], ious: list[float]) -> ObjectRecord:
    return ObjectRecord(id_, tuple(clicks), tuple(ious), (0.1,) * len(ious))


def test_centrality() -> None:
    assert centrality(GT, [(10, 10), (5, 10), (6, 6), (0, 0)]) == pytest.approx(
        [1, 1 / 6, 2 / 6, 0]
    )
    whole = np.ones((7, 7), np.int8)
    assert centrality(whole, [(3, 3), (0, 3)]) == pytest.approx([1, 1 / 4]), (
        "the image border is the end of the object"
    )


def test_gain_and_centrality_by_index() -> None:
    image = np.zeros((24, 32, 3), np.uint8)
    data = Listed([Sample(image, GT, "sample0"), Sample(image, GT, "sample1")])
    ranks = click_order(
        result(
            record("sample0", [(10, 10, 1), (5, 10, 1), (0, 0, 0)], [0.6, 0.8, 0.75]),
            record("sample1", [(6.9, 6.2, 1), (20, 20, 0)], [0.4, 0.9]),
        ),
        data,
    )
    assert [rank.number for rank in ranks] == [1, 2, 3]
    assert [rank.objects for rank in ranks] == [2, 2, 1]
    assert [rank.iou for rank in ranks] == pytest.approx([0.5, 0.85, 0.75])
    assert [rank.gain for rank in ranks] == pytest.approx([0.5, 0.35, -0.05])
    assert [rank.positive for rank in ranks] == pytest.approx([1, 0.5, 0])
    assert [rank.centrality for rank in ranks[:2]] == pytest.approx([(1 + 2 / 6) / 2, 1 / 6])
    assert ranks[2].centrality is None
    assert rank_table(ranks).splitlines()[-1].replace(" ", "") == "|3|1|75.0|-5.0|0|-|"


def test_a_mask_to_start_from_is_no_gain_of_the_first_click() -> None:
    start = (GT * (np.arange(24) < 10)[:, None]).astype(np.float32)  # 5 of 11 rows
    data = Listed([Sample(np.zeros((24, 32, 3), np.uint8), GT, "sample0", start)])
    (rank,) = click_order(result(record("sample0", [(12, 10, 1)], [0.9])), data)
    assert rank.gain == pytest.approx(0.9 - 5 / 11)


def test_other_data_are_refused() -> None:
    data = Listed([Sample(np.zeros((24, 32, 3), np.uint8), GT, "sample0")])
    with pytest.raises(IsegmError, match="the run was on data 00000000"):
        click_order(result(fingerprint="0" * 64), data)
    with pytest.raises(IsegmError, match="no object 'sample7'"):
        click_order(result(record("sample7", [(1, 1, 1)], [0.5])), data)


def test_a_picture_of_no_known_format(tmp_path: Path) -> None:
    with pytest.raises(IsegmError, match=r"'xyz'; use \.png"):
        save_figure(Figure(), str(tmp_path / "clicks.xyz"))


def test_script(tmp_path: Path) -> None:
    write(tmp_path / "images" / "a.png", np.zeros((24, 32, 3), np.uint8))
    write(tmp_path / "masks" / "a.png", GT.astype(np.uint8))
    command = [
        sys.executable,
        "scripts/click_order.py",
        str(tmp_path / "run.json"),
        "--plot",
        str(tmp_path / "clicks.png"),
    ]
    command += ["--image-dir", str(tmp_path / "images"), "--mask-dir", str(tmp_path / "masks")]

    def told(fingerprint: str) -> subprocess.CompletedProcess:
        found = result(record("a", [(10, 10, 1)], [0.6]), name="folder", fingerprint=fingerprint)
        RunResult.of(load_protocol("ritm"), {"sha256": "abc"}, [found], "tiny").save(
            tmp_path / "run.json"
        )
        return subprocess.run(command, cwd=REPOSITORY, check=False, capture_output=True, text=True)

    failed = told("0" * 64)
    assert failed.returncode == 2
    whole = FolderEvaluation(tmp_path / "images", tmp_path / "masks").fingerprint()
    assert f"leads to {whole[:8]}" in failed.stderr
    done = told(whole)
    assert done.returncode == 0, done.stderr
    assert "folder: tiny, protocol ritm v1" in done.stdout
    assert (tmp_path / "clicks.png").stat().st_size > 1000
