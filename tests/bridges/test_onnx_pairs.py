"""Pairs of ONNX files for other programs: SAM's interface, and darktable's."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from labelers import MORE, OFF, ON, SIZE, after, iou, parsed, photo

from isegm.bridges import darktable, sam_onnx
from isegm.core.clicks import POSITIVE
from isegm.core.errors import IsegmError
from isegm.core.rounds import Prediction, Round
from isegm.inference.chosen import Chosen
from isegm.inference.protocol import Protocol
from isegm.inference.settings import Answering
from isegm.methods.base import ClickModel
from isegm.originals.loading import LoadedModel

for name in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(name)
onnxruntime = pytest.importorskip("onnxruntime")

SIDE = 1024
SCALE = SIDE / SIZE[1]  # from the photo to what the tools show
PROTOCOL = Protocol("ritm", 1, view={"rule": "zoom_in", "size": 160, "skip_clicks": 99})


class Newest(ClickModel):
    """``labelers.Newest`` for larger images, in operations that can be exported: the newest click
    changes the previous mask, and nothing else remembers earlier clicks.
    """

    def __init__(self) -> None:
        super().__init__()
        self.amount = torch.nn.Parameter(torch.tensor(9.0))

    def forward(self, round_: Round) -> Prediction:
        height, width = round_.image.shape[-2:]
        label = round_.clicks.label
        newest = (label >= 0).sum(1, keepdim=True) - 1
        place = round_.clicks.yx.gather(1, newest[..., None].expand(-1, -1, 2)).float()[0, 0]
        positive = label.gather(1, newest)[0, 0] == POSITIVE
        y, x = torch.arange(height)[:, None], torch.arange(width)[None]
        near = (y - place[0]) ** 2 + (x - place[1]) ** 2 <= (20 * SCALE) ** 2
        before = round_.prev_prob[0, 0] > 0.5
        mask = torch.where(positive, before | near, before & ~near)
        return Prediction(torch.where(mask, self.amount, -self.amount)[None, None])


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> Chosen:
    answering = Answering(Newest().eval().requires_grad_(False), PROTOCOL)
    loaded = LoadedModel(answering.model, {}, "d" * 64, "newest.safetensors", "isegm", None)
    for bridge in (sam_onnx, darktable):
        monkeypatch.setattr(bridge, "load_model", lambda path: loaded)
    names = {"name": "newest.safetensors", "sha256": "d" * 64}
    return Chosen(answering, Path("newest.safetensors"), names, {"name": "ritm"}, "cpu")


STEPS = [(ON, True), (MORE, True), (OFF, False)]


def marks(*steps: tuple[tuple[int, int], bool]) -> list[dict]:
    return [{"type": "point", "data": list(at), "label": int(sign)} for at, sign in steps]


@pytest.fixture
def sam(chosen: Chosen, tmp_path: Path) -> Path:
    said = sam_onnx.SamOnnx().write(tmp_path, chosen, SimpleNamespace())
    assert "encoder.onnx, decoder.onnx and model.yaml" in said
    assert str(tmp_path) in (tmp_path / "model.yaml").read_text()
    return tmp_path


def sessions(folder: Path) -> list:
    parts = ("encoder", "decoder")
    return [onnxruntime.InferenceSession(str(folder / f"{part}.onnx")) for part in parts]


def sam_answer(folder: Path, steps: list, mask: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """What a tool of SAM's family asks: all points, padded by one, in pixels of 1024."""
    image = np.zeros((768, SIDE, 3), np.float32)
    encoder, decoder = (
        onnxruntime.InferenceSession(str(folder / f"{part}.onnx"))
        for part in ("encoder", "decoder")
    )
    (embedding,) = encoder.run(None, {"input_image": image})
    coords = [[x * SCALE, y * SCALE] for (x, y), _ in steps] + [[0, 0]]
    feeds = {
        "image_embeddings": embedding,
        "point_coords": np.array([coords], np.float32),
        "point_labels": np.array([[*(float(sign) for _, sign in steps), -1]], np.float32),
        "mask_input": np.zeros((1, 1, 256, 256), np.float32) if mask is None else mask,
        "has_mask_input": np.array([mask is not None], np.float32),
        "orig_im_size": np.array(SIZE, np.float32),
    }
    names = [output.name for output in decoder.get_outputs()]
    assert names == ["masks", "iou_predictions", "low_res_masks"]
    return dict(zip(names, decoder.run(None, feeds), strict=True))


def test_sam_pair_answers_points_one_after_another(sam: Path) -> None:
    for count in (1, 2, 3, 2):  # the last one: undo
        answer = sam_answer(sam, STEPS[:count])
        assert answer["masks"].shape == (1, 1, *SIZE)
        assert iou(answer["masks"][0, 0] > 0, after(*STEPS[:count])) > 0.95
    assert (sam_answer(sam, [])["masks"] < 0).all()
    low = answer["low_res_masks"]
    assert low.shape == (1, 1, 256, 256)
    assert (low[0, 0, 192:] < 0).all()  # the padding of the square


def test_sam_pair_corrects_a_mask_that_it_is_given(sam: Path) -> None:
    low = sam_answer(sam, STEPS[:2])["low_res_masks"]
    corrected = sam_answer(sam, STEPS, low)["masks"][0, 0] > 0
    assert iou(corrected, after(*STEPS)) > 0.93
    only = sam_answer(sam, [(OFF, False)], low)["masks"][0, 0] > 0
    assert iou(only, after(*STEPS)) > 0.93


def test_sam_pair_is_read_by_samexporter(sam: Path) -> None:
    reader = pytest.importorskip("samexporter.sam_onnx").SegmentAnythingONNX
    model = reader(str(sam / "encoder.onnx"), str(sam / "decoder.onnx"), ["CPUExecutionProvider"])
    embedding = model.encode(photo())
    for count in (1, 2, 3):
        masks = model.predict_masks(embedding, marks(*STEPS[:count]))
        assert iou(masks[0][0] > 0, after(*STEPS[:count])) > 0.9


class Reader:
    """What darktable does with a model of this kind, from its segmentation.c."""

    def __init__(self, folder: Path) -> None:
        self.encoder, self.decoder = sessions(folder)
        (output,), (image,) = self.encoder.get_outputs(), self.encoder.get_inputs()
        assert image.shape == [1, 3, SIDE, SIDE]
        assert all(isinstance(extent, int) and extent > 0 for extent in output.shape)
        names = [value.name for value in self.decoder.get_inputs()]
        assert names == ["image_feats", "point_coords", "point_labels", "prev_mask"]
        assert {value.type for value in self.decoder.get_inputs()} == {"tensor(float)"}
        (mask,) = self.decoder.get_outputs()  # one output: no model of SAM's kind
        assert (mask.name, mask.shape) == ("mask", [1, 1, SIDE, SIDE])
        self.features = self.encoder.run(None, {"image": np.zeros((1, 3, SIDE, SIDE), np.float32)})
        self.reset()

    def reset(self) -> None:
        self.before = np.zeros((1, 1, SIDE, SIDE), np.float32)

    def ask(self, *steps: tuple[tuple[int, int], bool]) -> np.ndarray:
        coords = np.array([[[x * SCALE, y * SCALE] for (x, y), _ in steps]], np.float32)
        labels = np.array([[float(sign) for _, sign in steps]], np.float32)
        feeds = [*self.features, coords, labels, self.before]
        names = [value.name for value in self.decoder.get_inputs()]
        (self.before,) = self.decoder.run(None, dict(zip(names, feeds, strict=True)))
        assert 0 <= self.before.min() <= self.before.max() <= 1  # it is fed back as it is
        shown = self.before[0, 0, : round(SIZE[0] * SCALE)]
        rows, columns = (np.arange(n) * SCALE for n in SIZE)
        return shown[np.ix_(rows.astype(int), columns.astype(int))] > 0.5


def test_darktable_model_answers_the_second_and_third_click(chosen: Chosen, tmp_path: Path) -> None:
    args = parsed("darktable", "--out", str(tmp_path / "out"), "--name", "my-model")
    said = darktable.Darktable().start(args, lambda: chosen)
    file = tmp_path / "out" / "mask-object-my-model.dtmodel"
    assert f"unzip {file}" in said
    with zipfile.ZipFile(file) as archive:
        archive.extractall(tmp_path)
        folder = tmp_path / "mask-object-my-model"
        assert {Path(name).parent.name for name in archive.namelist()} == {folder.name}
    described = json.loads((folder / "config.json").read_text())
    assert (described["id"], described["task"]) == (folder.name, "mask")
    assert (described["arch"], described["backend"]) == ("segnext", "onnx")
    reader = Reader(folder)
    for count in (1, 2, 3):
        assert iou(reader.ask(*STEPS[:count]), after(*STEPS[:count])) > 0.95
    reader.reset()  # darktable starts again after an undo
    assert iou(reader.ask(STEPS[0]), after(STEPS[0])) > 0.95


def test_a_network_that_keeps_something_is_refused(chosen: Chosen, tmp_path: Path) -> None:
    class Keeps(Newest):
        def forward(self, round_: Round) -> Prediction:
            return replace(super().forward(round_), state=round_.image)

    loaded = LoadedModel(Keeps().eval(), {}, "d" * 64, "keeps.safetensors", "isegm", None)
    for bridge, made in ((sam_onnx, sam_onnx.pair), (darktable, darktable.graphs)):
        bridge.load_model = lambda path: loaded  # restored with the fixture
        with pytest.raises(IsegmError, match="keeps something between clicks"):
            made(chosen)


def test_a_name_must_suit_darktable(chosen: Chosen, tmp_path: Path) -> None:
    for name in ("", "My Model", "a/b", "../x"):
        args = parsed("darktable", "--out", str(tmp_path / "f"), "--name", name)
        with pytest.raises(IsegmError, match="lower-case letters"):
            darktable.Darktable().start(args, lambda: pytest.fail("loaded"))
