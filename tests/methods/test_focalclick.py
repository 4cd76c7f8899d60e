from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from golden import golden_round, golden_tensor, published_shapes
from probe import probe_image

from isegm.core.boxes import whole
from isegm.core.clicks import Click, Clicks
from isegm.core.errors import IsegmError
from isegm.core.registry import build, spec
from isegm.core.rounds import Prediction, Round
from isegm.inference.predictor import Predictor
from isegm.inference.protocol import load_protocol
from isegm.inference.speed import for_evaluation
from isegm.inference.views.whole_image import WholeImage
from isegm.methods.checkpoints import save_model
from isegm.methods.focalclick import FocalClick, focalclick_hrnet, focalclick_segformer
from isegm.methods.ritm import ritm_hrnet
from isegm.nn.heads.refiner import LocalRefiner
from isegm.originals import ritm
from isegm.originals.clickseg import publish, recognise
from isegm.originals.loading import load_model, save_published
from isegm.reference.twin import slow_twin

HRNET = focalclick_hrnet(8, "tiny", 16)
SEGFORMER = focalclick_segformer("tiny", width=32)
SPECS = pytest.mark.parametrize("described", [HRNET, SEGFORMER], ids=["hrnet", "segformer"])
# Narrow or small networks of a published depth, so that the original code base has a name for them.
FILES = {
    "hrnet s1": focalclick_hrnet(4, "small", 8, "s1"),
    "hrnet s2": focalclick_hrnet(4, "full", 8, "s2"),
    "b0 s1": focalclick_segformer("b0", "s1"),
    "b0 s2": focalclick_segformer("b0", "s2"),
}


def training_round(size: tuple[int, int] = (64, 80), batch: int = 2) -> tuple[Round, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    target = torch.zeros(batch, 1, *size)
    target[:, :, 10:40, 14:50] = 1
    target[:, :, 40:42, 14:50] = -1
    yx = torch.rand(batch, 3, 2, generator=rng, dtype=torch.float64) * 60
    clicks = Clicks(yx, torch.tensor([[1, 0, 1], [1, -1, -1]]).repeat(batch // 2, 1))
    image = torch.rand(batch, 3, *size, generator=rng) * 0.3 + 0.5 * (target == 1)
    return Round(
        image, clicks, torch.rand(batch, 1, *size, generator=rng), seeds=tuple(range(batch))
    ), target


# --- networks -------------------------------------------------------------------------------------


@SPECS
def test_every_trained_parameter_of_both_networks_gets_a_gradient(described: dict) -> None:
    torch.manual_seed(0)
    model = build(described).train()
    round_, target = training_round()
    sum(model.losses(model(round_), target, round_).values()).backward()
    assert not [
        name
        for name, p in model.named_parameters()
        if p.requires_grad and (p.grad is None or not p.grad.any())
    ]


def test_the_unused_layers_of_published_files_are_no_part_of_the_network() -> None:
    assert all(p.requires_grad for p in build(SEGFORMER).parameters())
    unused = publish(focalclick_segformer("b0")).unused
    assert {name.rsplit(".", 2)[0] for name in unused} == {"maps_transform", "refiner.feature_gate"}
    assert not publish(FILES["hrnet s1"]).unused


def test_the_refiner_trains_the_coarse_network_too() -> None:
    torch.manual_seed(0)
    model = build(SEGFORMER).train()
    round_, target = training_round()
    model.losses(model(round_), target, round_)["band"].backward()
    assert model.backbone.patch_embed1.proj.weight.grad.any()


@pytest.mark.parametrize(
    ("described", "rates"),
    [
        (HRNET, {"backbone": 2.0, "head": 2.0, "fusion": 1.0, "refiner": 1.0}),
        (SEGFORMER, {"backbone": 0.1, "head": 1.0, "refiner": 1.0}),
    ],
    ids=["hrnet", "segformer"],
)
def test_learning_rates_are_those_of_the_original_wrappers(
    described: dict, rates: dict[str, float]
) -> None:
    model = build(described)
    assert {
        name.split(".")[0]: model.lr_multiplier(name) for name, _ in model.named_parameters()
    } == rates


@pytest.mark.parametrize(
    "described", [focalclick_hrnet(8, "tiny", 16, "s1"), focalclick_segformer("tiny", "s1", 32)]
)
def test_the_first_pipeline_halves_what_the_coarse_network_sees(described: dict) -> None:
    model, round_, seen = build(described).eval(), golden_round(128, 160), {}
    model.backbone.register_forward_pre_hook(lambda _, inputs: seen.update(image=inputs[0]))
    with torch.no_grad():
        pred = model(round_)
    assert seen["image"].shape[-2:] == (64, 80)
    assert pred.logits.shape[-2:] == (128, 160)
    assert pred.aux["features"].shape[-2:] == (16, 20)


def test_the_reference_gives_the_same_answer() -> None:
    model, round_ = build(SEGFORMER).eval(), golden_round(64, 96)
    with torch.no_grad():
        assert torch.equal(model(round_).logits, slow_twin(model)(round_).logits)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pipeline": "s3"}, "unknown pipeline 's3'"),
        ({"lr": {"backbon": 1.0}}, "did you mean backbone"),
        ({"refiner": spec(LocalRefiner, in_channels=8)}, "the head makes 32"),
    ],
)
def test_what_does_not_fit_is_said(changes: dict, message: str) -> None:
    described = focalclick_segformer("tiny", width=32)
    described["args"].update(changes)
    with pytest.raises(IsegmError, match=message):
        build(described)


# --- losses ---------------------------------------------------------------------------------------


def test_losses_are_those_of_the_published_trainer() -> None:
    round_, target = training_round()
    for described, extra in ((HRNET, {"aux"}), (SEGFORMER, set())):
        model = build(described).eval()
        losses = model.losses(model(round_), target, round_)
        assert set(losses) == {"instance", "refined", "band"} | extra


def test_focus_crops_follow_from_the_seeds_of_the_samples() -> None:
    model = build(SEGFORMER).eval()
    round_, target = training_round()
    with torch.no_grad():
        pred = model(round_)
        first, again = (model.losses(pred, target, round_) for _ in range(2))
        other = model.losses(pred, target, dataclasses.replace(round_, seeds=(5, 6)))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["refined"], other["refined"])
    assert torch.equal(first["instance"], other["instance"])


def test_ignored_pixels_do_not_matter_for_the_refiner(monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = build(SEGFORMER).eval(), {}
    monkeypatch.setattr(
        model.boundary_focal,
        "forward",
        lambda logits, target, band: seen.update(target=target) or logits.sum(),
    )
    round_, target = training_round()
    with torch.no_grad():
        model.losses(model(round_), target, round_)
    assert set(seen["target"].unique().tolist()) == {-1.0, 0.0, 1.0}


# --- second looks ---------------------------------------------------------------------------------


class Constant(FocalClick):
    """Answers with the brightness of the image; the refiner says object everywhere in its crop."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)

    def encode_image(self, image: torch.Tensor) -> None:
        """Nothing is known of an image alone."""

    def forward(self, round_: Round) -> Prediction:
        logits = 20 * round_.image[:, :1] - 10
        return Prediction(logits, {"features": logits})

    def look_closer(
        self, pred: Prediction, image: torch.Tensor, clicks: Clicks, places: torch.Tensor
    ) -> tuple:
        assert image.shape[-2:] == pred.logits.shape[-2:]
        return torch.full_like(image[:, :1], 9.0), image[:, :1]


def bright(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    image = np.zeros((100, 120, 3), np.uint8)
    image[top:bottom, left:right] = 255
    return image


def test_only_the_focus_crop_is_refined() -> None:
    predictor = Predictor(Constant(), WholeImage())
    session = predictor.click(predictor.start(bright(20, 30, 40, 60)), Click(30, 40, True))
    inside = torch.zeros(100, 120, dtype=torch.bool)
    inside[15:43, 23:65] = True
    assert torch.allclose(session.prob[0, 0][inside], torch.tensor(9.0).sigmoid())
    assert (session.prob[0, 0][~inside] < 0.01).all()


def test_from_the_eleventh_click_on_nothing_changes_outside_the_focus_crop() -> None:
    predictor = Predictor(Constant(), WholeImage())
    start = predictor.start(bright(20, 30, 40, 60))
    for count, kept in ((10, False), (11, True)):
        earlier = tuple(Click(30, 40, True) for _ in range(count - 1))
        old = torch.from_numpy(bright(70, 90, 90, 110)[None, None, ..., 0] / np.float32(255))
        session = predictor.click(
            dataclasses.replace(start, clicks=earlier, prob=old, view=whole(100, 120)),
            Click(30, 40, True),
        )
        assert bool(session.prob[0, 0, 80, 100] > 0.5) == kept
        assert session.prob[0, 0, 30, 40] > 0.5


@SPECS
def test_crops_of_many_sessions_are_refined_as_alone(described: dict) -> None:
    torch.manual_seed(0)
    predictor = load_protocol("focalclick").predictor(build(described), max_pixels=10**9)
    image = probe_image()
    scripts = [
        [Click(133, 186, True), Click(59, 59, False)],
        [Click(60, 60, True), Click(170, 280, True)],
    ]
    together = [predictor.start(image), predictor.start(image[20:200, 30:])]
    for step in range(2):
        together = predictor.click_many(together, [script[step] for script in scripts])
    for session, script, shown in zip(together, scripts, (image, image[20:200, 30:]), strict=True):
        alone = predictor.start(shown)
        for click in script:
            alone = predictor.click(alone, click)
        assert alone.box == session.box
        torch.testing.assert_close(alone.prob, session.prob, atol=2e-4, rtol=1e-3)


def test_folding_batch_norms_reaches_the_refiner_and_changes_no_answer() -> None:
    torch.manual_seed(0)
    model = build(SEGFORMER)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 1.5)
    fast = for_evaluation(model)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in fast.modules())
    plain, quick = (load_protocol("focalclick").predictor(m) for m in (model, fast))
    click = Click(133, 186, True)
    answers = [p.click(p.start(probe_image()), click).prob for p in (plain, quick)]
    torch.testing.assert_close(*answers, atol=1e-4, rtol=1e-3)


# --- published files ------------------------------------------------------------------------------


def published_state(described: dict) -> tuple[dict, dict]:
    layout = publish(described)
    shapes = published_shapes(layout, build(described).state_dict())
    return {key: golden_tensor(key, shape) for key, shape in shapes.items()}, layout.config


@pytest.mark.parametrize("name", FILES)
def test_published_files_are_recognised_and_loaded_strictly(tmp_path: Path, name: str) -> None:
    state, config = published_state(FILES[name])
    torch.save({"state_dict": state, "config": config}, tmp_path / "focalclick.pth")
    loaded = load_model(tmp_path / "focalclick.pth")
    assert loaded.source == "FocalClick (published)"
    assert loaded.spec == FILES[name]
    assert loaded.report.complete
    assert loaded.model.protocol == "focalclick"
    save_model(tmp_path / "ours.safetensors", loaded.model, loaded.spec, unused=loaded.unused)
    for step, again in enumerate((loaded, load_model(tmp_path / "ours.safetensors"))):
        save_published(tmp_path / f"{step}.pth", again)
        stored = torch.load(tmp_path / f"{step}.pth", weights_only=True)
        assert stored["config"] == config
        assert stored["state_dict"].keys() == state.keys()
        assert all(torch.equal(stored["state_dict"][key], state[key]) for key in state)


def test_files_without_configuration_are_of_the_second_pipeline() -> None:
    shapes = {
        key: tuple(value.shape) for key, value in published_state(FILES["hrnet s1"])[0].items()
    }
    assert recognise(shapes).spec["args"]["pipeline"] == "s2"
    assert recognise(shapes, {"pipeline_version": "s1"}).spec == FILES["hrnet s1"]
    assert ritm.recognise(shapes) is None


@pytest.mark.parametrize(
    ("name", "config"), [("b0 s1", {"model_version": "b3"}), ("hrnet s1", {"width": 32})]
)
def test_a_configuration_that_contradicts_the_tensors_is_an_error(name: str, config: dict) -> None:
    shapes = {key: tuple(value.shape) for key, value in published_state(FILES[name])[0].items()}
    with pytest.raises(IsegmError, match=next(iter(config))):
        recognise(shapes, config)


def test_other_files_are_not_recognised() -> None:
    state = ritm.publish(ritm_hrnet(4, "small", 8))
    shapes = {
        k: tuple(v.shape)
        for k, v in state.keys.to_published(build(state.spec).state_dict()).items()
    }
    assert recognise(shapes) is None
    assert publish(state.spec) is None
    assert publish(SEGFORMER) is None
