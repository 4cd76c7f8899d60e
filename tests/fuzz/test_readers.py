"""Every reader of files answers damage with a value or with an error for people, and with nothing
else.
"""

from __future__ import annotations

import gzip
import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import nibabel
import numpy as np
import pytest
import torch
import yaml
from fuzzing import damaged, edited, few, json_damage
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask
from scipy.io import savemat

from isegm.core.errors import IsegmError
from isegm.core.masks import PackedMask
from isegm.core.registry import build
from isegm.data.leave_out import left_out
from isegm.data.matlab import label_maps
from isegm.data.medical.volumes import read_object, read_volume
from isegm.data.pickles import read_pickle
from isegm.data.reading import (
    checked_image,
    read_image,
    read_labels,
    read_mask,
    stored_size,
)
from isegm.data.sample_scores import read_scores
from isegm.data.sources.coco import CocoInstances
from isegm.evaluation.lockstep import Skipped
from isegm.evaluation.records import RecordFile
from isegm.evaluation.results import DatasetResult, ObjectRecord, RunResult
from isegm.inference.protocol import load_protocol
from isegm.inference.session_file import RecordedObject, SessionFile
from isegm.methods.checkpoints import save_model
from isegm.methods.ritm import ritm_hrnet
from isegm.nn.weights import read_weights
from isegm.originals.loading import load_model
from isegm.training.checkpoint import read_checkpoint, write_checkpoint
from isegm.training.experiment_file import load_experiment, to_text
from isegm.utils import rle
from isegm.utils.config import REPOSITORY, load_config
from isegm.zoo.entries import read as read_zoo

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 3, (12, 16), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (12, 16, 3), dtype=np.uint8)


def answers(read: Callable[..., Any], *arguments: Any) -> None:
    """A value, or an error of the house that says something."""
    try:
        read(*arguments)
    except IsegmError as error:
        said = str(error)
    else:
        said = "a value"
    assert said.strip()


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def encoded(suffix: str, pixels: np.ndarray = COLOUR) -> bytes:
    return cv2.imencode(suffix, pixels)[1].tobytes()


def palette_png() -> bytes:
    image, data = Image.fromarray(GRAY, "L").convert("P"), io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


PICTURES = {suffix: encoded(suffix) for suffix in (".png", ".jpg", ".bmp", ".tif", ".webp")}
PICTURES |= {".palette.png": palette_png(), ".gray.png": encoded(".png", GRAY)}
PICTURES |= {".16.png": encoded(".png", GRAY.astype(np.uint16) * 300)}


@pytest.mark.parametrize("kind", PICTURES)
@few
@given(data=st.data())
def test_pictures_and_masks(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    content = data.draw(damaged(PICTURES[kind]))
    path = written(tmp_path, f"picture{kind}", content)
    for read in (read_image, read_mask, read_labels):
        answers(read, path)
    answers(stored_size, content, "picture")
    answers(checked_image, content, "picture", 10_000)


def session() -> dict[str, Any]:
    mask = PackedMask.of(GRAY == 1)
    recorded = RecordedObject("object 1", (), {"threshold": 0.5}, mask, start=mask, finished=True)
    file = SessionFile(
        "a.png",
        "0" * 64,
        GRAY.shape,
        {"name": "m.pth", "sha256": "1" * 64},
        {"name": "ritm", "dataset": None, "label": "ritm v1"},
        (recorded,),
        PICTURES[".png"],
    )
    values = json.loads(json.dumps(file.as_json()))
    values["objects"][0]["clicks"] = [[3, 4, 1], [5.5, 6, 0]]
    return values


@few
@given(content=json_damage(session()))
def test_session_files(content: bytes) -> None:
    answers(SessionFile.loads, content)


@few
@given(runs=edited(rle.encode(GRAY == 1)))
def test_run_lengths(runs: Any) -> None:
    answers(rle.decode, runs, GRAY.shape)


CODE = coco_mask.encode(np.asfortranarray(GRAY))["counts"].decode()
OUTLINES = (
    [[1, 1, 9, 1, 9, 9, 1, 9]],
    {"size": [12, 16], "counts": [20, 5, 167]},
    {"size": [12, 16], "counts": CODE},
)
COCO = {
    "images": [{"id": 1, "file_name": "a.png", "height": 12, "width": 16}],
    "annotations": [
        {"id": i, "image_id": 1, "iscrowd": 0, "segmentation": outline}
        for i, outline in enumerate(OUTLINES)
    ],
}


@few
@given(content=json_damage(COCO))
def test_coco_annotations(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "val2017").mkdir(exist_ok=True)
    (tmp_path / "annotations").mkdir(exist_ok=True)
    written(tmp_path, "val2017/a.png", PICTURES[".png"])
    written(tmp_path, "annotations/instances_val2017.json", content)

    def opened() -> None:
        source = CocoInstances(tmp_path, "val2017")
        for index in range(len(source)):
            source.read(index, np.random.default_rng(0))

    answers(opened)


def yaml_damage(text: str) -> st.SearchStrategy[bytes]:
    value = yaml.safe_load(text)
    changed = edited(value).map(lambda v: yaml.safe_dump(v, allow_unicode=True).encode())
    return st.one_of(changed, damaged(text.encode()))


@few
@given(content=yaml_damage("A: /data\nB: ${A}/x\nEXPS_PATH: runs\nPRETRAINED: {X: a.pth}\n"))
def test_config(tmp_path: Path, content: bytes) -> None:
    answers(load_config, written(tmp_path, "config.yml", content))


@few
@given(content=yaml_damage((REPOSITORY / "configs/eval/ritm.yml").read_text()))
def test_protocols(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path, "mine.yml", content)

    def used() -> None:
        _ = load_protocol(str(path)).for_dataset("GrabCut").rule

    answers(used)


ZOO = """
projects:
  P: {page: https://example.com, licence: MIT, bases: [https://example.com/]}
checkpoints:
  a: {project: P, file: a.pth, size: 16.5 MB, hash: "sha256:00", method: RITM, aliases: [b]}
datasets:
  D: {project: P, key: D_PATH, files: [{file: d.zip, size: 12, holds: [x]}]}
"""


@few
@given(content=yaml_damage(ZOO))
def test_zoo(tmp_path: Path, content: bytes) -> None:
    read_zoo.cache_clear()
    answers(read_zoo, written(tmp_path, "zoo.yml", content))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small network in both formats, and a checkpoint of a training."""
    folder = tmp_path_factory.mktemp("weights")
    described = ritm_hrnet(width=8, depth="tiny", ocr_width=16)
    torch.manual_seed(0)
    save_model(folder / "m.safetensors", build(described), described)
    torch.save({"weight": torch.ones(3), "bias": [torch.zeros(2)]}, folder / "m.pth")
    kept = {"isegm": {"kind": "training", "schema": 1}, "experiment": {}, "step": 1}
    write_checkpoint(folder / "last.pth", kept | {"model": {"weight": torch.ones(3)}})
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("name", ["m.safetensors", "m.pth", "last.pth"])
@few
@given(data=st.data())
def test_weights(tmp_path: Path, weights: dict[str, bytes], name: str, data: st.DataObject) -> None:
    path = written(tmp_path, name, data.draw(damaged(weights[name])))
    answers(load_model if name == "m.safetensors" else read_weights, path)
    answers(read_checkpoint, path)


EXPERIMENT = to_text(load_experiment(REPOSITORY / "models/ritm/tiny_synthetic.py"))


@few
@given(content=json_damage(json.loads(EXPERIMENT)))
def test_experiments(tmp_path: Path, content: bytes) -> None:
    answers(load_experiment, written(tmp_path, "experiment.json", content))


@few
@given(data=st.data())
def test_pickles(tmp_path: Path, data: st.DataObject) -> None:
    rows = [(0, "a", 0.5), (1, "b", 0.25)]
    path = written(tmp_path, "scores.pkl", data.draw(damaged(pickle.dumps(rows))))
    answers(read_pickle, path)
    answers(read_scores, path, ["a", "b"])


@few
@given(content=st.one_of(damaged(b"one\ntwo.png\n# three\n"), st.binary(max_size=40)))
def test_lists_of_what_is_left_out(tmp_path: Path, content: bytes) -> None:
    written(tmp_path, "leave_out.txt", content)
    answers(left_out, tmp_path)


def test_an_answer_that_is_no_error_of_the_house_is_noticed() -> None:
    def broken() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        answers(broken)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@few
@given(data=st.data())
def test_volumes(tmp_path: Path, suffix: str, data: st.DataObject) -> None:
    image = nibabel.Nifti1Image(GRAY[:6, :5, None].repeat(3, 2).astype(np.int16), np.eye(4))
    image.set_sform(np.eye(4), 1)
    content = data.draw(damaged(image.to_bytes()))
    path = written(
        tmp_path, f"v{suffix}", gzip.compress(content) if suffix == ".nii.gz" else content
    )
    answers(read_volume, path)
    answers(read_object, path, None)


@few
@given(data=st.data())
def test_matlab(tmp_path: Path, data: st.DataObject) -> None:
    whole = io.BytesIO()
    savemat(whole, {"GTinst": {"Segmentation": GRAY}})
    path = written(tmp_path, "a.mat", data.draw(damaged(whole.getvalue())))

    def picked(value: Any) -> list[np.ndarray]:
        return [value["Segmentation"][0, 0]]

    answers(label_maps, path, "SBD: GTinst", "GTinst", picked)


def result() -> RunResult:
    records = tuple(
        ObjectRecord(name, ((3.0, 4.0, 1), (5.0, 6.0, 0)), (0.5, 0.9), (0.1, 0.2), (0.4, 0.8))
        for name in ("a#1", "a#2")
    )
    dataset = DatasetResult("photos", "0" * 64, records, (0.85, 0.9), 20)
    protocol = {"name": "ritm", "version": 1, "changes": []}
    checkpoint = {"path": "m.pth", "sha256": "1" * 64, "mode": "NoBRS"}
    return RunResult(protocol, checkpoint, (dataset,), {"isegm": "0.1.0"}, "m")


@few
@given(data=st.data())
def test_result_files(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "result.json"
    result().save(path)
    path.write_bytes(data.draw(json_damage(json.loads(path.read_text()))))

    def read() -> list[dict[str, float]]:
        return [each.metrics for each in RunResult.load(path).datasets]

    answers(read)


@few
@given(data=st.data())
def test_records_of_a_run(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever is left of a file, the run goes on, and what it adds can be read."""
    (tmp_path / "run.0.jsonl").unlink(missing_ok=True)
    records = RecordFile(tmp_path / "run", {"protocol": "ritm v1"})
    outcomes = dict(enumerate(result().datasets[0].objects)) | {2: Skipped("b", "no object")}
    records.open("0" * 64)
    for index, outcome in outcomes.items():
        records.add(index, outcome)
    records.close()
    path = tmp_path / "run.0.jsonl"
    path.write_bytes(data.draw(damaged(path.read_bytes())))

    def go_on() -> int:
        again = RecordFile(tmp_path / "run", {"protocol": "ritm v1"})
        known = again.open("0" * 64)
        again.add(3, outcomes[0])
        again.close()
        assert RecordFile(tmp_path / "run", {"protocol": "ritm v1"}).open("0" * 64)[3]
        return len(known)

    answers(go_on)
