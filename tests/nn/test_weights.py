from __future__ import annotations

import hashlib
import io
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save, save_file
from torch import nn

from isegm.core.errors import IsegmError
from isegm.nn.weights import KeyMap, load_strictly, read_weights, state_dict_of
from isegm.utils.files import sha256_of


class Trap:
    """Pickled, it asks whoever unpickles it to make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_all_three_containers_are_read(tmp_path: Path) -> None:
    tensors = {"a.weight": torch.rand(2, 3), "a.count": torch.tensor(4)}
    torch.save(tensors, tmp_path / "zip.pth")
    torch.save(tensors, tmp_path / "legacy.pth", _use_new_zipfile_serialization=False)
    save_file(tensors, tmp_path / "misnamed.pth", {"who": "me"})
    for name in ("zip.pth", "legacy.pth", "misnamed.pth"):
        found = state_dict_of(read_weights(tmp_path / name), name)
        assert all(torch.equal(found[key], value) for key, value in tensors.items())
    assert read_weights(tmp_path / "misnamed.pth")["metadata"] == {"who": "me"}


def half(**how: bool) -> bytes:
    file = io.BytesIO()
    torch.save({"a": torch.rand(1000)}, file, **how)
    return file.getvalue()[:2500]


BROKEN = {
    "empty": b"",
    "half_zip": half(),
    "half_legacy": half(_use_new_zipfile_serialization=False),
    "half_safetensors": save({"a": torch.rand(1000)})[:2500],
    "web_page": b"\n<!DOCTYPE html><html><body>Sign in</body></html>",
    "lfs_pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
    "noise": bytes(range(256)) * 8,
    "text": b"hello",
    "pickled_list": pickle.dumps([1, 2], protocol=2),
    "pickled_numbers": pickle.dumps({1: 2}, protocol=2),
}


@pytest.mark.parametrize("name", [*BROKEN, "missing", "folder"])
def test_what_is_no_weight_file_gives_one_clear_error(tmp_path: Path, name: str) -> None:
    path = tmp_path if name == "folder" else tmp_path / f"{name}.pth"
    if name in BROKEN:
        path.write_bytes(BROKEN[name])
    with pytest.raises(IsegmError) as caught:
        state_dict_of(read_weights(path), path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    torch.save({"a": torch.rand(2), "trap": Trap(tmp_path / "sprung")}, tmp_path / "trap.pth")
    with pytest.raises(IsegmError):
        read_weights(tmp_path / "trap.pth")
    assert not (tmp_path / "sprung").exists()


def test_sha256_is_that_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 3_000_000)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(b"x" * 3_000_000).hexdigest()


KEYS = KeyMap((("head.", "net.top."), ("trunk.", "net.")))


def test_key_maps_go_both_ways_and_the_first_prefix_wins() -> None:
    published = {"net.top.weight": 1, "net.layer.bias": 2}
    ours = KEYS.to_ours(published)
    assert ours == {"head.weight": 1, "trunk.layer.bias": 2}
    assert KEYS.to_published(ours) == published


@pytest.mark.parametrize(
    "named", [{"net.layer.bias": 1, "trunk.layer.bias": 2}, {"head.weight": 1}]
)
def test_key_maps_refuse_what_they_could_not_undo(named: dict) -> None:
    with pytest.raises(IsegmError, match="no place"):
        KEYS.to_ours(named)


class TestStrictLoading:
    def test_a_perfect_match_is_loaded_and_counted(self) -> None:
        donor, model = (
            nn.ModuleDict({"trunk": nn.Linear(2, 3)}),
            nn.ModuleDict({"trunk": nn.Linear(2, 3)}),
        )
        report = load_strictly(model, KEYS.to_published(donor.state_dict()), "file", KEYS)
        assert report.complete
        assert str(report) == "2 tensors match"
        assert torch.equal(model["trunk"].weight, donor["trunk"].weight)

    def test_every_kind_of_mismatch_is_named_as_the_file_names_it(self) -> None:
        model = nn.ModuleDict({"trunk": nn.Linear(2, 3)})
        with pytest.raises(IsegmError) as caught:
            load_strictly(
                model,
                {"net.weight": torch.rand(3, 4), "net.scale": torch.rand(1)},
                "some.pth",
                KEYS,
            )
        for part in (
            "some.pth",
            "1 missing: net.bias",
            "1 unexpected: net.scale",
            "net.weight (3x4 in the file, 3x2",
        ):
            assert part in str(caught.value)

    def test_only_counters_of_batch_norms_may_be_missing(self) -> None:
        donor, model = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
        model.num_batches_tracked += 7
        tensors = {
            key: value for key, value in donor.state_dict().items() if key != "num_batches_tracked"
        }
        assert load_strictly(model, tensors | {"weight": torch.rand(3)}, "file").matched == 4
        assert model.num_batches_tracked == 7
        del tensors["running_mean"]
        with pytest.raises(IsegmError, match="1 missing: running_mean"):
            load_strictly(model, tensors, "file")

    def test_long_lists_are_cut_but_counted(self) -> None:
        with pytest.raises(IsegmError, match=r"25 unexpected.*and 15 more"):
            load_strictly(nn.Sequential(), {f"key{i}": torch.rand(1) for i in range(25)}, "file")
