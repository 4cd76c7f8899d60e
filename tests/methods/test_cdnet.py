"""CDNet beside what its published predictor and trainer do, its files, and what its parts must
fit.
"""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import pytest
import torch
from golden import golden_round, golden_tensor
from probe import probe_image
from torch import Tensor, nn

from isegm.core.boxes import Box, paste, resize, whole
from isegm.core.clicks import Click, Clicks
from isegm.core.errors import IsegmError
from isegm.core.registry import Spec, build, spec
from isegm.core.rounds import Round, Session
from isegm.inference.mirror import with_mirror
from isegm.inference.protocol import load_protocol
from isegm.inference.settings import adjusted
from isegm.inference.speed import for_evaluation
from isegm.methods.cdnet import CDNet, cdnet, tiny
from isegm.methods.ritm import ritm_deeplab
from isegm.nn.clicks.disks import Disks
from isegm.nn.clicks.fusion import Conv1S
from isegm.originals import fbrs, fcfi, ritm
from isegm.originals.clickseg import publish, recognise
from isegm.originals.loading import load_model, save_published
from isegm.reference.twin import slow_twin

SMALL = cdnet(18, width=16, resnet_width=8)
CLICKS = [Click(133, 186, True), Click(150, 122, True), Click(100, 150, False)]


@pytest.fixture
def model() -> CDNet:
    torch.manual_seed(0)
    made = tiny()
    nn.init.normal_(made.head.classify[-1].weight)
    return made.eval()


def published_state(described: Spec = SMALL) -> tuple[dict[str, Tensor], dict]:
    layout = publish(described)
    named = layout.keys.to_published(build(described).state_dict())
    golden = {
        k: v if k.startswith("PDM.") else golden_tensor(k, tuple(v.shape)) for k, v in named.items()
    }
    return golden, layout.config


def shapes(state: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in state.items()}


class TestAnswers:
    @torch.no_grad()
    def test_pixel_diffusion_follows_the_average_with_the_mirror_image(self, model: CDNet) -> None:
        round_ = with_mirror(golden_round(64, 80))
        straight, mirrored = model(round_).logits.chunk(2)
        average = 0.5 * (straight + mirrored.flip(-1))
        half = golden_round(64, 80)
        expected = model.pixel_diffusion(half.image, average, Disks(5)(half.clicks, (64, 80)))
        found, flipped = model.infer(round_).logits.chunk(2)
        assert torch.equal(found, expected)
        assert torch.equal(
            0.5 * (found + flipped.flip(-1)), found
        )  # nothing is left for the predictor to average

    @torch.no_grad()
    def test_the_previous_mask_is_not_looked_at(self, model: CDNet) -> None:
        round_ = golden_round(64, 80)
        other = dataclasses.replace(round_, prev_prob=1 - round_.prev_prob)
        assert torch.equal(model.infer(round_).logits, model.infer(other).logits)

    @torch.no_grad()
    def test_training_and_a_network_without_it_know_no_pixel_diffusion(self, model: CDNet) -> None:
        round_ = golden_round(64, 80)
        plain = build(cdnet(layers=10, width=32, resnet_width=8, pixel_diffusion=False)).eval()
        plain.load_state_dict(
            {k: v for k, v in model.state_dict().items() if not k.startswith("pixel_diffusion.")}
        )
        assert torch.equal(plain.infer(round_).logits, model(round_).logits)
        assert not torch.equal(model.infer(round_).logits, model(round_).logits)

    @torch.no_grad()
    def test_steps_of_pixel_diffusion_can_be_set_between_clicks(self, model: CDNet) -> None:
        round_ = golden_round(64, 80)
        further = adjusted(model, {"diffusion": 15})
        assert not torch.equal(further.infer(round_).logits, model.infer(round_).logits)
        assert (further.pixel_diffusion.steps, model.pixel_diffusion.steps) == (15, 5)
        assert adjusted(model, {"diffusion": 5}) is model

    @torch.no_grad()
    def test_the_reference_answers_the_same(self, model: CDNet) -> None:
        round_ = golden_round(64, 80)
        assert torch.equal(model.infer(round_).logits, slow_twin(model).infer(round_).logits)

    def test_folding_changes_no_answer(self, model: CDNet) -> None:
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 1.5)
        fast, round_ = for_evaluation(model), golden_round(64, 80)
        left = {
            name.partition(".")[0]
            for name, m in fast.named_modules()
            if isinstance(m, nn.BatchNorm2d)
        }
        assert left == {"latent"}  # which is not asked at test time
        with torch.no_grad():
            torch.testing.assert_close(
                fast.infer(round_).logits, model.infer(round_).logits, rtol=1e-3, atol=1e-4
            )


class TestLosses:
    def test_terms_and_weights(self, model: CDNet) -> None:
        target = torch.zeros(2, 1, 64, 80)
        target[..., 10:40, 20:60] = 1
        half = golden_round(64, 80)
        round_ = Round(
            torch.cat([half.image] * 2),
            Clicks.cat([half.clicks] * 2),
            torch.cat([half.prev_prob] * 2),
        )
        pred = model(round_)
        losses = model.losses(pred, target, round_)
        assert set(losses) == {"instance", "gate", "diversity"}
        assert torch.equal(
            losses["gate"], 0.4 * model.focal.of_prob(pred.aux["gate"], target).mean()
        )
        assert pred.aux["gate"].min() >= 0
        assert pred.aux["gate"].max() <= 1
        assert pred.aux["latent"].shape == (2, 4, 64, 80)
        without = build(cdnet(layers=10, width=32, resnet_width=8, latents=0)).eval()
        assert set(without.losses(without(round_), target, round_)) == {"instance", "gate"}

    def test_only_the_backbone_is_slow(self, model: CDNet) -> None:
        rates = {
            name.partition(".")[0]: model.lr_multiplier(name)
            for name, _ in model.named_parameters()
        }
        assert rates == {
            "backbone": 0.1,
            "head": 1,
            "fusion": 1,
            "feature_diffusion": 1,
            "latent": 1,
        }


class TestSessions:
    @torch.no_grad()
    def test_a_session_is_that_of_the_published_predictor(self, model: CDNet) -> None:
        """Its rules, written down once more: crop, 384 x 384, mirror average, pixel diffusion,
        sigmoid, back.
        """
        nn.init.normal_(model.head.classify[-1].weight, std=0.1)
        nn.init.constant_(
            model.head.classify[-1].bias, -0.2
        )  # so that only pixel diffusion finds an object, near clicks
        predictor = load_protocol("cdnet").predictor(copy.deepcopy(model))
        session, known = predictor.start(probe_image()), []
        image = session.image.float() / 255
        prob = torch.zeros(1, 1, 240, 320)
        for click in CLICKS:
            known.append(click)
            box = crop_of(prob, known) if len(known) > 1 else whole(240, 320)
            seen = resize(image[..., box.top : box.bottom, box.left : box.right], (384, 384))
            clicks = Clicks.of([_shown(c, box) for c in known])
            round_ = Round(seen, clicks, torch.zeros(1, 1, 384, 384))
            mirrored = Round(seen.flip(-1), clicks.mirror(384), torch.zeros(1, 1, 384, 384))
            average = 0.5 * (model(round_).logits + model(mirrored).logits.flip(-1))
            answer = model.pixel_diffusion(seen, average, Disks(5)(clicks, (384, 384))).sigmoid()
            prob = paste(answer, box, 240, 320)
            session = predictor.click(session, click)
            assert session.view == box
            torch.testing.assert_close(session.prob, prob, atol=1e-4, rtol=1e-3)
        assert session.view != whole(240, 320)

    def test_many_sessions_are_answered_as_alone(self, model: CDNet) -> None:
        predictor = (
            load_protocol("cdnet").for_dataset("synthetic").predictor(model, max_pixels=10**9)
        )
        images = [probe_image(), probe_image()[20:200, 30:]]
        together = [predictor.start(image) for image in images]
        for click in CLICKS[:2]:
            together = predictor.click_many(together, [click, click])
        for image, session in zip(images, together, strict=True):
            alone = predictor.start(image)
            for click in CLICKS[:2]:
                alone = predictor.click(alone, click)
            torch.testing.assert_close(alone.prob, session.prob, atol=2e-4, rtol=1e-3)

    def test_a_mask_to_start_from_is_merged_and_not_shown(self, model: CDNet) -> None:
        predictor = load_protocol("cdnet").for_dataset("synthetic").predictor(model)
        start = torch.zeros(240, 320)
        start[100:150, 150:220] = 1

        def network_answer(session: Session) -> Tensor:
            return predictor.click(session, CLICKS[0]).feedback

        merged = predictor.click(predictor.start(probe_image(), start), CLICKS[0])
        assert set(merged.prob.unique().tolist()) <= {0.0, 1.0}
        assert torch.equal(
            network_answer(predictor.start(probe_image(), start)),
            network_answer(predictor.start(probe_image())),
        )


def _shown(click: Click, box: Box) -> Click:
    return Click(
        384 * (click.y - box.top) / box.height,
        384 * (click.x - box.left) / box.width,
        click.positive,
    )


def crop_of(prob: Tensor, clicks: list[Click]) -> Box:
    """1.4 times the box of the answer above 0.49 and of the object clicks; the image without any
    answer.
    """
    rows, columns = torch.where(prob[0, 0] > 0.49)
    if not len(rows):
        return whole(240, 320)
    sides = []
    for found, axis, length in ((rows, "y", 240), (columns, "x", 320)):
        given = [int(getattr(c, axis)) for c in clicks if c.positive]
        low, high = min(int(found.min()), *given), max(int(found.max()), *given)
        centre, size = 0.5 * (low + high), max(1.4 * (high - low + 1), 10)
        sides.append(
            (max(0, round(centre - 0.5 * size)), min(length - 1, round(centre + 0.5 * size)) + 1)
        )
    return Box(sides[0][0], sides[1][0], sides[0][1], sides[1][1])


class TestFiles:
    def test_published_files_load_strictly_and_are_written_again(self, tmp_path: Path) -> None:
        state, config = published_state()
        torch.save({"state_dict": state, "config": config}, tmp_path / "cdnet.pth")
        loaded = load_model(tmp_path / "cdnet.pth")
        assert loaded.source == "CDNet (published)"
        assert loaded.model.protocol == "cdnet"
        assert loaded.report.complete
        assert loaded.report.matched == len(state)
        save_published(tmp_path / "again.pth", loaded)
        written = torch.load(tmp_path / "again.pth", weights_only=True)
        assert written["config"] == config
        assert written["state_dict"].keys() == state.keys()
        assert all(torch.equal(written["state_dict"][key], state[key]) for key in state)

    @pytest.mark.parametrize("other", [ritm, fbrs, fcfi])
    def test_no_other_code_base_takes_them(self, other) -> None:
        state, _ = published_state()
        assert other.recognise(shapes(state), {}) is None
        assert recognise(shapes(state), {}) is not None
        theirs = shapes(ritm.publish(RITM_R34).keys.to_published(build(RITM_R34).state_dict()))
        assert recognise(theirs, {}) is None

    @pytest.mark.parametrize(
        "missing",
        ["PDM.aff_m.kernel", "latent_head.layers.2.bias", "feature_extractor.FDM.z2.weight"],
    )
    def test_an_incomplete_file_is_refused(self, tmp_path: Path, missing: str) -> None:
        state, config = published_state()
        del state[missing]
        torch.save({"state_dict": state, "config": config}, tmp_path / "cdnet.pth")
        with pytest.raises(IsegmError, match=f"1 missing: {missing}"):
            load_model(tmp_path / "cdnet.pth")

    def test_changed_constants_are_refused(self, tmp_path: Path) -> None:
        state, config = published_state()
        state["PDM.aff_x.kernel"] = 2 * state["PDM.aff_x.kernel"]
        torch.save({"state_dict": state, "config": config}, tmp_path / "cdnet.pth")
        with pytest.raises(IsegmError, match="constants differences"):
            load_model(tmp_path / "cdnet.pth")

    def test_the_configuration_is_heeded(self) -> None:
        state, _ = published_state()
        told = recognise(
            shapes(state), {"aspp_dropout": 0.5, "use_leaky_relu": False, "backbone_lr_mult": 0.2}
        ).spec["args"]
        assert told["head"]["args"]["dropout"] == 0.5
        assert told["fusion"]["args"]["leaky"] is False
        assert told["backbone_lr"] == 0.2
        for name, value in (
            ("with_prev_mask", True),
            ("deeplab_ch", 256),
            ("backbone", "resnet34"),
        ):
            with pytest.raises(IsegmError, match=name):
                recognise(shapes(state), {name: value})

    @pytest.mark.parametrize(
        "described",
        [
            cdnet(50),
            cdnet(latents=2),
            cdnet(click_radius=7),
            cdnet(pixel_diffusion=False),
            cdnet(fusion=spec(Conv1S, in_channels=2)) | {"target": "isegm.methods.ritm:RITM"},
        ],
    )
    def test_what_the_original_cannot_express_is_not_written(self, described: Spec) -> None:
        assert publish(described) is None


RITM_R34 = ritm_deeplab(34, 16, resnet_width=8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fusion": spec(Conv1S, in_channels=3)}, "fusion.in_channels is 3"),
        ({"latents": -1}, "latents=-1"),
        (
            {"feature_diffusion": spec("isegm.nn.diffusion:FeatureDiffusion", channels=8)},
            "feature_diffusion.channels is 8",
        ),
    ],
)
def test_what_does_not_fit_is_said(changes: dict, message: str) -> None:
    described = cdnet(layers=10, width=16, resnet_width=8)
    described["args"].update(changes)
    with pytest.raises(IsegmError, match=message):
        build(described)
