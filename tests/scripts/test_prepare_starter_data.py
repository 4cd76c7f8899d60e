"""The starter's sets are linked, compared with the evaluation sets, and listed."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from layouts import bsds, ccp, coco, picture, rectangle, write

from isegm.core.errors import IsegmError
from isegm.data.leave_out import FILE, left_out
from isegm.data.sources.bsds import BSDS
from isegm.data.sources.coco import CocoInstances
from isegm.utils.config import REPOSITORY


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    path = REPOSITORY / "scripts" / "prepare_starter_data.py"
    described = importlib.util.spec_from_file_location("prepare_starter_data", path)
    module = importlib.util.module_from_spec(described)
    sys.modules[module.__name__] = module  # dataclasses look there for their annotations
    described.loader.exec_module(module)
    yield module
    del sys.modules[module.__name__]


@pytest.fixture
def run(script: ModuleType, tmp_path: Path):
    """Run the script on a machine whose sets belong into ``tmp_path / "placed"``."""
    write(tmp_path / "GrabCut" / "data_GT" / "a.png", picture(seed=1))  # test/101 mirrored: below
    write(tmp_path / "Berkeley" / "images" / "b.png", picture(seed=7))
    lines = ["GRABCUT_PATH: GrabCut", "BERKELEY_PATH: Berkeley"]
    keys = {data_set.key for data_set in script.SETS.values()}
    lines += [f"{key}: placed/{key.removesuffix('_PATH')}" for key in sorted(keys)]
    (tmp_path / "config.yml").write_text("\n".join(lines))
    return lambda *options: script.main([*options, "--config-path", str(tmp_path / "config.yml")])


def test_photographs_of_evaluation_sets_are_left_out(run, tmp_path: Path) -> None:
    bsds(tmp_path / "copy")
    write(tmp_path / "copy" / "images" / "val" / "101.jpg", picture(seed=5))
    write(tmp_path / "copy" / "images" / "val" / "103.png", picture(seed=7)[:, ::-1])
    (tmp_path / "copy" / "groundTruth" / "val" / "103.mat").write_bytes(b"never read")
    run("--bsds", str(tmp_path / "copy"))
    root = tmp_path / "placed" / "BSDS"
    assert (root / "images").is_symlink()
    assert left_out(root) == {"103"}
    assert "103.png # b.png" in (root / FILE).read_text()
    assert len(BSDS(root)) == 3
    before = (root / FILE).read_text()
    run("--bsds", str(tmp_path / "copy"))  # once more: nothing changes
    assert (root / FILE).read_text() == before


def test_a_list_of_your_own_stays(run, tmp_path: Path) -> None:
    root = bsds(tmp_path / "placed" / "BSDS")
    (root / FILE).write_text("100.jpg # I do not like it")
    write(root / "images" / "val" / "101.png", picture(seed=7))
    run("--bsds", str(tmp_path / "nothing needs to be here"))
    assert not (root / "images").is_symlink()
    assert left_out(root) == {"100", "101"}
    assert (root / FILE).read_text().startswith("100.jpg # I do not like it\n# shows a photograph")


def test_further_photographs_of_coco(run, tmp_path: Path) -> None:
    source = coco(tmp_path / "made", "val2017")
    (tmp_path / "copy" / "images").mkdir(parents=True)
    (source / "val2017").rename(tmp_path / "copy" / "images" / "val2017")
    (source / "annotations").rename(tmp_path / "copy" / "annotations")
    (tmp_path / "more.txt").write_text("# in COCO_MVal\n000000000002.jpg\n")
    options = ("--coco-persons", str(tmp_path / "copy"), "--coco-leave-out")
    with pytest.raises(IsegmError, match=r"nothing\.txt cannot be read"):
        run(*options, str(tmp_path / "nothing.txt"))
    run(*options, str(tmp_path / "more.txt"))
    root = tmp_path / "placed" / "COCO_PERSONS"
    assert "000000000002" in left_out(root)
    people = CocoInstances(root, "val2017")
    stems = [Path(people.read(i, np.random.default_rng(0)).id).stem for i in range(len(people))]
    assert "000000000002" not in stems


def test_every_set_has_its_place(run, tmp_path: Path) -> None:
    for part in ("TR", "TE"):
        write(tmp_path / f"copy{part}" / f"DUTS-{part}-Image" / "d.jpg", picture(seed=20))
        write(tmp_path / f"copy{part}" / f"DUTS-{part}-Mask" / "d.png", rectangle(4, 5, 18, 24))
    ccp(tmp_path / "ccp")
    for split in ("train2017", "val2017"):
        coco(tmp_path / "coco", split)
    run(
        *("--duts-tr", str(tmp_path / "copyTR"), "--duts-te", str(tmp_path / "copyTE")),
        *("--ccp", str(tmp_path / "ccp"), "--coco", str(tmp_path / "coco")),
    )
    placed = {
        path.relative_to(tmp_path / "placed").as_posix()
        for path in (tmp_path / "placed").glob("*/*")
    }
    expected = {
        f"DUTS_{part}/DUTS-{part}-{kind}" for part in ("TR", "TE") for kind in ("Image", "Mask")
    }
    expected |= {"CCP/photos", "CCP/annotations"}
    expected |= {f"COCO/{name}" for name in ("train2017", "val2017", "annotations")}
    assert {name for name in placed if not name.endswith(FILE)} == expected


def test_broken_copies(run, tmp_path: Path) -> None:
    with pytest.raises(IsegmError, match="no set was given; expected any of --duts-tr"):
        run()
    (tmp_path / "copy" / "photos").mkdir(parents=True)
    with pytest.raises(
        IsegmError, match="holds no annotations; expected photos, annotations in it"
    ):
        run("--ccp", str(tmp_path / "copy"))
    assert not (tmp_path / "placed").exists()
    ccp(tmp_path / "copy")
    (tmp_path / "placed" / "CCP").mkdir(parents=True)
    (tmp_path / "placed" / "CCP" / "photos").symlink_to(tmp_path / "gone")
    with pytest.raises(IsegmError, match="is a link that leads nowhere; remove it"):
        run("--ccp", str(tmp_path / "copy"))


def test_evaluation_sets_must_be_there(run, tmp_path: Path) -> None:
    (tmp_path / "Berkeley" / "images" / "b.png").unlink()
    with pytest.raises(IsegmError, match=r"BERKELEY: .* holds no image"):
        run("--ccp", str(ccp(tmp_path / "copy")))
