"""The training data set: determinism across processes, drawing rules, bounded retries."""

import multiprocessing
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import config
from torch.utils.data import DataLoader

from isegm.core.errors import IsegmError
from isegm.core.samples import InstanceSample, ObjectInfo
from isegm.data import dataset as dataset_module
from isegm.data.augment import Augmentation, cropped, photographs
from isegm.data.dataset import ClickDataset
from isegm.data.reading import CorruptSample
from isegm.data.sample_scores import NamedImages, SampleScores
from isegm.data.sampling.multi_point import MultiPoint
from isegm.data.sources.synthetic import SyntheticSource

SAMPLER = MultiPoint(max_clicks=6, gamma=0.8)


class Squares:
    """Image i is filled with the value i and shows one object in a corner of it; images in
    ``broken`` cannot be read.
    """

    def __init__(self, count: int = 10, broken: tuple[int, ...] = (), side: int = 8) -> None:
        self.count, self.broken, self.side = count, broken, side

    def __len__(self) -> int:
        return self.count

    def read(self, index: int, rng: np.random.Generator) -> InstanceSample:
        if index in self.broken:
            raise CorruptSample(f"image {index} is broken")
        layers = np.zeros((40, 40, 1), np.uint8)
        layers[: self.side, : self.side] = 1
        image = np.full((40, 40, 3), index, np.uint8)
        return InstanceSample(
            image, layers, {0: ObjectInfo(0, 1)} if self.side else {}, id=str(index)
        )


class NamedSquares(Squares, NamedImages):
    @property
    def names(self) -> list[str]:
        return [str(index) for index in range(len(self))]


def dataset(
    source: Squares | None = None, augment: Augmentation | None = None, **settings: float
) -> ClickDataset:
    return ClickDataset(
        Squares() if source is None else source, SAMPLER, augment, **settings, seed=3
    )


def index_of(item: dict[str, torch.Tensor]) -> int:
    return int(item["image"][0, 0, 0])


def synthetic() -> ClickDataset:
    return ClickDataset(SyntheticSource((48, 64), 20), SAMPLER, photographs((40, 48)), seed=7)


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[key], b[key]) for key in a)


def test_item_format() -> None:
    item = synthetic()[0, 0]
    assert {k: (v.dtype, tuple(v.shape)) for k, v in item.items()} == {
        "image": (torch.uint8, (3, 40, 48)),
        "target": (torch.float32, (1, 40, 48)),
        "yx": (torch.float64, (12, 2)),
        "label": (torch.int64, (12,)),
        "seed": (torch.int64, ()),
    }
    assert item["target"].unique().tolist() in ([0, 1], [1])
    y, x = item["yx"][0].long()
    assert item["target"][0, y, x] == 1


def test_items_depend_on_epoch_and_position_alone() -> None:
    data = synthetic()
    item = data[2, 5]
    _ = data[0, 0], data[2, 6]
    assert same(item, data[2, 5])
    assert same(item, pickle.loads(pickle.dumps(data))[2, 5])
    for key in ((2, 6), (3, 5)):
        other = data[key]
        assert not torch.equal(item["image"], other["image"])
        assert item["seed"] != other["seed"]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_make_the_same_items(method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    data = synthetic()
    keys = [(1, position) for position in range(4)]
    loader = DataLoader(
        data,
        batch_size=2,
        sampler=keys,
        num_workers=2 if method == "fork" else 1,
        multiprocessing_context=method,
    )
    batches = list(loader)
    made = {key: torch.cat([batch[key] for batch in batches]) for key in batches[0]}
    assert len(made["seed"]) == 4
    for row, key in enumerate(keys):
        assert same({k: v[row] for k, v in made.items()}, data[key])


def test_without_epoch_len_every_image_comes_once() -> None:
    data = dataset()
    assert len(data) == 10
    orders = [[index_of(data[epoch, i]) for i in range(10)] for epoch in range(2)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(10))
    assert orders[0] != orders[1]


def test_with_epoch_len_images_are_drawn_uniformly() -> None:
    data = dataset(epoch_len=600)
    assert len(data) == 600
    counts = np.bincount([index_of(data[0, i]) for i in range(600)], minlength=10)
    assert counts.min() > 35
    assert counts.max() < 90


def test_high_scores_are_drawn_rarely(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text('{"scores": {"2": 1.0, "0": 0.0, "1": 0.5}}')
    scores = SampleScores(config(SQUARES=tmp_path), "scores.json", "SQUARES", gamma=2.0)
    data = ClickDataset(NamedSquares(3), SAMPLER, epoch_len=600, scores=scores)
    counts = np.bincount([index_of(data[0, i]) for i in range(600)], minlength=3) / 600
    assert counts == pytest.approx([0.8, 0.2, 0.0], abs=0.05)
    with pytest.raises(IsegmError, match="the images of Squares have no names"):
        ClickDataset(Squares(3), SAMPLER, scores=scores)


def test_crops_without_objects_are_retried_or_kept() -> None:
    crop = cropped((20, 20))
    assert all(dataset(augment=crop)[0, i]["target"].any() for i in range(10))
    empty = [
        not dataset(augment=crop, epoch_len=100, keep_background=1.0)[0, i]["target"].any()
        for i in range(100)
    ]
    assert 0.5 < np.mean(empty) < 1
    sometimes = [
        not dataset(augment=crop, epoch_len=100, keep_background=0.2)[0, i]["target"].any()
        for i in range(100)
    ]
    assert 0 < np.mean(sometimes) < np.mean(empty)


def test_small_objects_are_no_targets() -> None:
    assert dataset(min_object_area=64)[0, 0]["target"].any()
    item = dataset(min_object_area=65)[0, 0]
    assert not item["target"].any()
    assert not (item["label"] == 1).any()


def test_one_pixel_object() -> None:
    item = dataset(Squares(side=1))[0, 0]
    assert item["target"].sum() == 1
    assert item["yx"][0].tolist() == [0, 0]


def test_broken_images_are_replaced_with_one_warning_each(monkeypatch: pytest.MonkeyPatch) -> None:
    warned = []
    monkeypatch.setattr(
        dataset_module.log, "warning", lambda text, *args: warned.append(text % args)
    )
    data = dataset(Squares(broken=(1, 4)))
    found = [[index_of(data[epoch, i]) for i in range(10)] for epoch in range(3)]
    assert not {1, 4} & {i for epoch in found for i in epoch}
    assert found[1] == [index_of(data[1, i]) for i in range(10)]
    assert sorted(warned) == [f"image {i} is broken; another image takes its place" for i in (1, 4)]


def test_too_many_broken_images_are_an_error() -> None:
    with pytest.raises(IsegmError, match=r"30 images in a row .* image \d is broken"):
        dataset(Squares(broken=tuple(range(10))))[0, 0]
    with pytest.raises(IsegmError, match="no object was inside the crop"):
        dataset(Squares(side=0), augment=cropped((20, 20)))[0, 0]


def test_wrong_use() -> None:
    with pytest.raises(IsegmError, match="no image"):
        dataset(Squares(0))
    with pytest.raises(IndexError):
        dataset()[0, 10]
    for settings in ({"epoch_len": 0}, {"keep_background": -1}, {"keep_background": 2}):
        with pytest.raises(IsegmError, match=f"{next(iter(settings))}="):
            dataset(**settings)
