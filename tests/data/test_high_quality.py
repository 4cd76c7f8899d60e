"""The sets of the comb recipe and DAVIS585, read from miniature copies of their layouts, good and
broken.
"""

from pathlib import Path

import numpy as np
import pytest
from layouts import (
    ade20k,
    comb,
    config,
    davis585,
    picture,
    rectangle,
    write,
    write_indexed,
    youtube_vos,
)
from published import data_of

from isegm.core.errors import IsegmError
from isegm.data.evaluation_sets import evaluation_set
from isegm.data.pairs import MaskPairs
from isegm.data.reading import CorruptSample
from isegm.data.sources.ade20k import ADE20K
from isegm.data.sources.duts import duts
from isegm.data.sources.hflickr import hflickr
from isegm.data.sources.msra10k import msra10k
from isegm.data.sources.thin_object import thin_object
from isegm.data.sources.youtube_vos import YouTubeVOS


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, Path]:
    return comb(tmp_path)


class TestMaskPairs:
    def test_layouts(self, paths: dict[str, Path]) -> None:
        saliency = [
            *msra10k(paths["MSRA10K_PATH"]),
            *duts(paths["DUTS_TR_PATH"]),
            *duts(paths["DUTS_TE_PATH"]),
        ]
        sources = [
            thin_object(paths["THINOBJECT_PATH"]),
            hflickr(paths["HFLICKR_PATH"]),
            MaskPairs("saliency", saliency),
        ]
        assert [len(source) for source in sources] == [1, 1, 3]
        for source in sources:
            for index in range(len(source)):
                sample = source.read(index, rng())
                assert np.array_equal(sample.object_mask(0), rectangle(4, 5, 18, 24) > 0)
                assert sample.image.shape == (24, 32, 3)

    def test_128_is_background(self, paths: dict[str, Path]) -> None:
        mask = rectangle(4, 5, 18, 24, value=128)
        mask[6, 6] = 129
        write(paths["THINOBJECT_PATH"] / "masks/t.1.png", mask)
        assert thin_object(paths["THINOBJECT_PATH"]).read(0, rng()).object_mask(0).sum() == 1

    def test_several_masks_per_image(self, paths: dict[str, Path]) -> None:
        root = paths["HFLICKR_PATH"]
        write(root / "masks/f_8_2.png", rectangle(0, 0, 3, 3, value=255))
        source = hflickr(root)
        assert [source.read(i, rng()).object_mask(0).sum() for i in range(2)] == [14 * 19, 9]
        write(root / "masks/g_1.png", rectangle(0, 0, 3, 3, value=255))
        with pytest.raises(
            IsegmError, match=r"1 of 3 masks have no image in .*real_images, e\.g\. g_1\.png"
        ):
            hflickr(root)

    def test_broken(self, paths: dict[str, Path], tmp_path: Path) -> None:
        root = paths["THINOBJECT_PATH"]
        write(root / "masks/t.1.png", rectangle(4, 5, 18, 24, value=100))
        with pytest.raises(CorruptSample, match="no pixel is above 128"):
            thin_object(root).read(0, rng())
        write(root / "masks/t.1.png", rectangle(4, 5, 18, 24, height=30, value=255))
        with pytest.raises(CorruptSample, match="30x32"):
            thin_object(root).read(0, rng())
        write(root / "images/u.jpg", picture())
        with pytest.raises(IsegmError, match=r"1 of 2 images have no mask in .*, e\.g\. u\.jpg"):
            thin_object(root)
        with pytest.raises(IsegmError, match="there is no folder"):
            thin_object(tmp_path / "nowhere")
        with pytest.raises(IsegmError, match="<part>-Image"):
            duts(root)


class TestYouTubeVOS:
    def test_frames_and_objects(self, tmp_path: Path) -> None:
        source = YouTubeVOS(youtube_vos(tmp_path))
        assert len(source) == 2
        seen = {}
        for seed in range(20):
            sample = source.read(0, rng(seed))
            seen[Path(sample.id).stem] = sorted(info.label for info in sample.objects.values())
        assert seen == {"00000": [1], "00005": [1, 2]}, (
            "sorted by name, annotated frames only, palette indices as objects"
        )
        assert source.read(0, rng(1)).id == source.read(0, rng(1)).id

    def test_an_annotation_without_objects_is_an_empty_sample(self, tmp_path: Path) -> None:
        root = youtube_vos(tmp_path)
        write_indexed(root / "train/Annotations/b/00000.png", rectangle(0, 0, 0, 0))
        write_indexed(root / "train/Annotations/b/00005.png", rectangle(0, 0, 0, 0))
        assert not YouTubeVOS(root).read(1, rng()).objects

    @pytest.mark.parametrize(
        "text", ["{", "[]", '{"videos": {"a": {}}}', '{"videos": {"a": {"objects": {}}}}']
    )
    def test_broken(self, tmp_path: Path, text: str) -> None:
        root = youtube_vos(tmp_path)
        (root / "train/meta.json").write_text(text)
        with pytest.raises(IsegmError, match=r"meta\.json"):
            YouTubeVOS(root)
        (root / "train/meta.json").unlink()
        with pytest.raises(IsegmError, match=r"meta\.json does not exist"):
            YouTubeVOS(root)


class TestADE20K:
    def test_objects_are_the_numbers_of_the_blue_channel(self, tmp_path: Path) -> None:
        source = ADE20K(ade20k(tmp_path))
        assert len(source) == 1
        sample = source.read(0, rng())
        assert sample.areas() == {0: 24 * 32 - 100, 1: 100}
        assert sample.objects[1].label == 7

    def test_broken(self, tmp_path: Path) -> None:
        with pytest.raises(IsegmError, match="ADE20K_PATH"):
            ADE20K(tmp_path)
        (tmp_path / "images" / "training").mkdir(parents=True)
        with pytest.raises(IsegmError, match=r"_seg\.png"):
            ADE20K(tmp_path)


class TestComb:
    NAME = "focalclick/hrnet18s_s2_comb"

    def test_every_set_takes_part(self, paths: dict[str, Path]) -> None:
        small = {
            "data__min_object_area": 4,
            "data__sampler__min_area": 4,
            "data__sampler__min_region": 4,
        }
        data = data_of(self.NAME, config(**paths), [20, 28], data__epoch_len=60, **small)
        names = {
            Path(data.train.source.read(0, rng(seed)).id)
            .relative_to(paths["COCO_LVIS_PATH"].parent)
            .parts[0]
            for seed in range(99)
        }
        assert names >= {
            "COCO_LVIS",
            "ThinObject5K",
            "MSRA10K",
            "DUTS-TR",
            "DUTS-TE",
            "HFlickr",
            "YouTube-VOS",
            "ADE20K",
        }
        assert len(data.train) == 60
        assert data.val is not None
        assert data.train[0, 0]["image"].shape == (3, 20, 28)

    def test_a_set_that_is_left_out_need_not_be_there(self, paths: dict[str, Path]) -> None:
        cfg = config(HFLICKR_PATH=paths["HFLICKR_PATH"])
        without = {f"data__source__parts__{part}": None for part in (0, 1, 2, 3)}
        with pytest.raises(IsegmError, match="ADE20K_PATH"):
            data_of(self.NAME, cfg, [20, 28], **without, val=None)
        experiment = {
            **without,
            "data__source__parts__5": None,
            "data__augment": None,
            "data__min_object_area": 4,
        }
        data = data_of(self.NAME, cfg, [20, 28], **experiment, data__sampler__min_area=4, val=None)
        assert data.val is None
        assert len(data.train.source) == 1
        assert data.train.source.read(0, rng()).areas() == {0: 14 * 19}


class TestDavis585:
    def test_order_and_initial_masks(self, tmp_path: Path) -> None:
        cfg = config(DAVIS585_PATH=davis585(tmp_path))
        nothing, spoilt, carried = (
            evaluation_set(name, cfg) for name in ("DAVIS585", "D585_SP", "D585_STM")
        )
        assert nothing.ids() == [
            "a/object1_00010",
            "a/object2_00003",
            "a/object2_00010",
            "b/object1_00000",
        ]
        assert nothing.ids() == spoilt.ids() == carried.ids()
        assert [dataset.name for dataset in (nothing, spoilt, carried)] == [
            "DAVIS585",
            "D585_SP",
            "D585_STM",
        ]
        assert nothing[1].init_mask is None
        assert np.array_equal(nothing[1].gt, rectangle(4, 4, 16, 20))
        assert np.array_equal(spoilt[1].init_mask, rectangle(4, 4, 16, 12).astype(np.float32))
        assert np.array_equal(carried[1].init_mask, rectangle(8, 4, 16, 20).astype(np.float32))
        assert spoilt[1].init_mask.dtype == np.float32
        assert evaluation_set("D585_ZERO", cfg).fingerprint() == nothing.fingerprint()
        assert len({dataset.fingerprint() for dataset in (nothing, spoilt, carried)}) == 3

    def test_the_fingerprint_sees_the_initial_masks(self, tmp_path: Path) -> None:
        cfg = config(DAVIS585_PATH=davis585(tmp_path))
        before = {name: evaluation_set(name, cfg).fingerprint() for name in ("DAVIS585", "D585_SP")}
        write(tmp_path / "b/init_sp_object1_00000.png", rectangle(0, 0, 5, 5, value=255))
        assert evaluation_set("DAVIS585", cfg).fingerprint() == before["DAVIS585"]
        assert evaluation_set("D585_SP", cfg).fingerprint() != before["D585_SP"]

    def test_broken(self, tmp_path: Path) -> None:
        cfg = config(DAVIS585_PATH=davis585(tmp_path))
        write(tmp_path / "b/init_sp_object1_00000.png", rectangle(0, 0, 5, 5, height=30, value=255))
        with pytest.raises(CorruptSample, match="30x32"):
            evaluation_set("D585_SP", cfg)[3]
        (tmp_path / "a/init_stm_object2_00003.png").unlink()
        with pytest.raises(
            IsegmError,
            match=r"1 of 4 objects have no mask to start from, e\.g\. .*init_stm_object2_00003",
        ):
            evaluation_set("D585_STM", cfg)
        write(tmp_path / "a/object1_00010.png", rectangle(0, 0, 0, 0))
        with pytest.raises(CorruptSample, match="holds no object"):
            evaluation_set("DAVIS585", cfg)[0]
        with pytest.raises(IsegmError, match="object<K>_<frame>"):
            evaluation_set("DAVIS585", config(DAVIS585_PATH=tmp_path / "b"))
