"""HQSeg-44K and the medical sets of SimpleClick, read from miniature copies, good and broken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fine_layouts import brats, hqseg44k, hqseg44k_training, oaizib, sstem
from layouts import config, picture, rectangle, write

from isegm.core.errors import IsegmError
from isegm.data.catalogue import CATALOGUE
from isegm.data.checking import check
from isegm.data.evaluation_sets import evaluation_set
from isegm.data.reading import CorruptSample
from isegm.data.sources.hqseg44k import PARTS, TRAINING, hqseg44k_images
from isegm.evaluation.statistics import image_of


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_hqseg44k(tmp_path: Path, part: str) -> None:
    dataset = evaluation_set(part, config(HQSEG44K_PATH=hqseg44k(tmp_path)))
    assert (dataset.name, dataset.ids()) == (part, ["a.1.x", "b_1_Cat_12"])
    assert [image_of(part, id_) for id_ in dataset.ids()] == dataset.ids()
    for index, right in enumerate((21, 20)):
        assert np.array_equal(dataset[index].gt, rectangle(4, 5, 14, right))


def test_hqseg44k_is_its_parts(tmp_path: Path) -> None:
    dataset = evaluation_set("HQSeg44K", config(HQSEG44K_PATH=hqseg44k(tmp_path)))
    assert dataset.ids() == [f"{part}/{name}" for part in PARTS for name in ("a.1.x", "b_1_Cat_12")]
    assert dataset[7].gt.sum() == 150


def test_any_channel_above_0_is_the_object(tmp_path: Path) -> None:
    cfg = config(HQSEG44K_PATH=hqseg44k(tmp_path))
    mask = np.zeros((24, 32, 3), np.uint8)
    mask[3, 4, 2] = 1
    write(tmp_path / PARTS["COIFT"][1] / "a.1.x.png", mask)
    assert np.argwhere(evaluation_set("COIFT", cfg)[0].gt).tolist() == [[3, 4]]


def test_training_images_of_hqseg44k(tmp_path: Path) -> None:
    cfg = config(HQSEG44K_PATH=hqseg44k_training(tmp_path))
    source, rng = hqseg44k_images(cfg), np.random.default_rng(0)
    assert len(source) == 2 * len(TRAINING) == 14
    for index in range(14):
        right = 20 if index % 2 else 21
        layer = source.read(index, rng).layers[:, :, 0]
        assert np.array_equal(layer, rectangle(4, 5, 14, right))
    write(tmp_path / "cascade_psp/ecssd/a.1.x.png", rectangle(0, 0, 2, 3, value=1))
    assert source.read(10, rng).layers.sum() == 6  # faint pixels belong to the object


def test_splits_of_hqseg44k(tmp_path: Path) -> None:
    cfg = config(HQSEG44K_PATH=hqseg44k(tmp_path))
    assert len(hqseg44k_images(cfg, "val")) == 8
    with pytest.raises(IsegmError, match="did you mean val"):
        hqseg44k_images(cfg, "vall")
    with pytest.raises(IsegmError, match="there is no folder"):
        hqseg44k_images(cfg, "train")


def test_broken_hqseg44k(tmp_path: Path) -> None:
    cfg = config(HQSEG44K_PATH=hqseg44k(tmp_path))
    before = evaluation_set("HQSeg44K", cfg).fingerprint()
    write(tmp_path / PARTS["HRSOD"][1] / "a.1.x.png", np.zeros((24, 32), np.uint8))
    assert evaluation_set("HQSeg44K", cfg).fingerprint() != before
    with pytest.raises(CorruptSample, match="holds no object"):
        evaluation_set("HRSOD", cfg)[0]
    (tmp_path / PARTS["HRSOD"][1] / "a.1.x.png").unlink()
    with pytest.raises(
        IsegmError,
        match=r"HRSOD: 1 of 2 images have no mask in .*: a\.1\.x\.png|"
        r"HRSOD: 1 of 2 images .* being a\.1\.x\.png",
    ):
        evaluation_set("HQSeg44K", cfg)
    with pytest.raises(IsegmError, match="there is no folder"):
        evaluation_set("COIFT", config(HQSEG44K_PATH=tmp_path / "DIS5K"))


def test_mitochondria_are_told_apart(tmp_path: Path) -> None:
    dataset = evaluation_set("ssTEM", config(SSTEM_PATH=sstem(tmp_path), EXPS_PATH=tmp_path / "e"))
    assert dataset.ids() == ["00_1", "00_2", "01_1"]
    assert np.array_equal(dataset[0].gt, rectangle(2, 2, 12, 20))
    assert np.array_equal(dataset[1].gt, rectangle(12, 20, 18, 26))
    assert dataset[2].image.shape == (24, 32, 3)


def test_a_tumor_is_one_object(tmp_path: Path) -> None:
    dataset = evaluation_set("BraTS", config(BRATS_PATH=brats(tmp_path)))
    assert dataset.ids() == ["a", "b"]
    assert np.array_equal(dataset[0].gt, rectangle(4, 5, 14, 20))
    write(tmp_path / "annotation/a.png", rectangle(0, 0, 2, 2)[:5])
    with pytest.raises(CorruptSample, match="is 5x32"):
        dataset[0]


def test_every_cartilage_is_an_object(tmp_path: Path) -> None:
    cfg = config(OAIZIB_PATH=oaizib(tmp_path), EXPS_PATH=tmp_path / "e")
    dataset = evaluation_set("OAIZIB", cfg)
    assert dataset.ids() == ["a_2", "b_1", "b_2"]
    assert np.array_equal(dataset[1].gt, rectangle(4, 5, 8, 20))
    write(tmp_path / "test/image/c.png", picture())
    with pytest.raises(IsegmError, match="OAIZIB: 1 of 3 images have no mask"):
        evaluation_set("OAIZIB", cfg)


def test_check_data_knows_their_counts(tmp_path: Path) -> None:
    cfg = config(
        HQSEG44K_PATH=hqseg44k(tmp_path / "hq"),
        BRATS_PATH=brats(tmp_path / "brats"),
        SSTEM_PATH=sstem(tmp_path / "sstem"),
        OAIZIB_PATH=oaizib(tmp_path / "oai"),
        EXPS_PATH=tmp_path / "e",
    )
    sets = {data_set.name: data_set for data_set in CATALOGUE}
    counts = [part.count for part in sets["HQSeg44K"].parts]
    assert counts[0] == sum(counts[1:])
    for name, problems in (("HQSeg44K", 5), ("BraTS", 1), ("ssTEM", 0), ("OAIZIB", 0)):
        found = [check(sets[name], part, cfg, None) for part in sets[name].parts]
        assert all(one.looked_at == one.length > 1 for one in found)
        said = [problem for one in found for problem in one.problems]
        assert len(said) == problems
        assert all("samples, but the literature has" in problem for problem in said)
