"""FCFI: which clicks correct, the gate, sessions, files, and networks that cannot be built."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from published import experiment_of
from torch import Tensor

from isegm.core.boxes import Box
from isegm.core.clicks import Click, Clicks
from isegm.core.errors import IsegmError
from isegm.core.registry import build, spec
from isegm.core.rounds import Round
from isegm.inference.predictor import Predictor, Request
from isegm.inference.protocol import load_protocol
from isegm.inference.views.whole_image import WholeImage
from isegm.inference.views.zoom_in import ZoomIn
from isegm.methods.checkpoints import save_model
from isegm.methods.fcfi import (
    FCFI,
    fcfi_deeplab,
    fcfi_hrnet,
    has_feedback,
    new_clicks,
    newest_click,
    tiny,
)
from isegm.methods.ritm import click_maps
from isegm.methods.ritm import tiny as tiny_ritm
from isegm.nn.backbones.hrnet import HRNet
from isegm.originals.fcfi import publish, recognise
from isegm.originals.loading import load_model
from isegm.originals.ritm import recognise as recognise_ritm
from isegm.training.rollout import evaluating, rollout
from isegm.training.step import TrainStep
from isegm.training.users.iterative import Iterative

SIZE = (64, 80)


@pytest.fixture(scope="module")
def model() -> FCFI:
    torch.manual_seed(0)
    return tiny().eval()


def clicks_of(*samples: list[Click]) -> Clicks:
    return Clicks.cat([Clicks.of(sample) for sample in samples])


def round_of(clicks: Clicks, prev: float = 0.5, state: Tensor | None = None) -> Round:
    rng = torch.Generator().manual_seed(0)
    batch = len(clicks.label)
    prev_prob = prev * torch.rand(batch, 1, *SIZE, generator=rng)
    return Round(torch.rand(batch, 3, *SIZE, generator=rng), clicks, prev_prob, state=state)


class TestWhichClicks:
    def test_before_any_answer_the_first_sampled_click_corrects(self) -> None:
        clicks = clicks_of([Click(5, 6, True), Click(7, 8, False)], [Click(9, 10, False)], [])
        newest = newest_click(round_of(clicks, prev=0.0))
        assert newest.yx[:, 0].tolist() == [[5, 6], [9, 10], [31, 39]]  # without clicks: the middle
        assert newest.label[:, 0].tolist() == [1, 0, 0]
        assert newest.given.all()

    def test_afterwards_the_newest_and_where_nothing_was_wrong_the_middle(self) -> None:
        clicks = clicks_of([Click(5, 6, True)], [Click(9, 10, True)])
        clicks = clicks.append(torch.tensor([[20.0, 30.0], [0.0, 0.0]]), torch.tensor([0, -1]))
        round_ = round_of(clicks, state=torch.tensor([1, 1]))
        newest = newest_click(round_)
        assert newest.yx[:, 0].tolist() == [[20, 30], [31, 39]]
        assert newest.label[0, 0] == 0
        assert newest.label[1, 0] == round_.prev_prob[1, 0, 31, 39]

    def test_all_new_clicks_of_every_sample(self) -> None:
        clicks = clicks_of(
            [Click(i, i, True) for i in range(4)],
            [Click(9, 9, False)],
            [Click(1, 1, True), Click(2, 2, False)],
        )
        new = new_clicks(round_of(clicks, state=torch.tensor([2, 0, 1])))
        assert [
            clicks.yx[i][mask].tolist()
            for i, mask in zip(range(3), self.full(new, clicks), strict=True)
        ] == [
            [[2, 2], [3, 3]],
            [[9, 9]],
            [[2, 2]],
        ]
        again = new_clicks(round_of(clicks, state=torch.tensor([4, 1, 2])))
        assert again.given.sum(1).tolist() == [
            1,
            1,
            1,
        ]  # the same clicks once more: the newest still corrects

    @staticmethod
    def full(new, clicks: Clicks) -> list[Tensor]:
        return [
            torch.stack(
                [
                    ((clicks.yx[i] == yx).all(-1))
                    for yx, g in zip(new.yx[i], new.given[i], strict=True)
                    if g
                ]
            ).any(0)
            & (clicks.label[i] != -1)
            for i in range(len(clicks.label))
        ]

    def test_the_state_counts_clicks(self, model: FCFI) -> None:
        clicks = clicks_of([Click(5, 6, True), Click(7, 8, False)], [Click(9, 10, False)], [])
        with torch.no_grad():
            assert model(round_of(clicks)).state.tolist() == [2, 1, 0]


class TestGate:
    def test_only_a_sample_with_feedback_lets_it_through(self, model: FCFI) -> None:
        clicks = clicks_of([Click(30, 40, True)], [Click(30, 40, True)])
        round_ = round_of(clicks)
        round_.prev_prob[0] = 0
        assert has_feedback(round_).tolist() == [0, 1]
        features = torch.rand(2, 120, 16, 20)
        with torch.no_grad():
            found = model.feedback.collaboration(
                features, torch.rand(2, 1, 16, 20), has_feedback(round_)
            )[0]
        assert torch.equal(found[0], features[0])
        assert not torch.equal(found[1], features[1])

    def test_a_first_round_answers_as_without_feedback(self, model: FCFI) -> None:
        round_ = round_of(clicks_of([Click(30, 40, True)]), prev=0.0)
        with torch.no_grad():
            shut = model.answer(round_, newest_click(round_), torch.zeros(1), soft=True)
            assert torch.equal(model(round_).logits, shut.logits)


class TestTraining:
    def test_a_rollout_with_unequal_counts_and_a_background_sample(self) -> None:
        torch.manual_seed(0)
        model = tiny().train()
        image, target = torch.rand(3, 3, *SIZE), torch.zeros(3, 1, *SIZE)
        target[0, :, 10:40, 10:50], target[1, :, 20:30, 20:30] = (
            1,
            1,
        )  # the third sample has no object
        clicks = clicks_of([Click(20, 30, True), Click(50, 60, False)], [Click(25, 25, True)], [])
        for rounds in (0, 1, 3):
            round_ = rollout(model, image, target, clicks, Iterative(), [1, 2, 3], rounds)
            losses, _ = TrainStep(model)(round_, target)
            assert set(losses) == {"instance", "feedback1", "feedback2"}
            assert all(loss.isfinite() for loss in losses.values())
            sum(losses.values()).backward()
        assert all(p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)

    def test_a_perfect_answer_is_left_alone(self, model: FCFI) -> None:
        """The middle is "corrected" towards what it says, whatever the network thinks of similarity
        there.
        """
        clicks = clicks_of([Click(5, 6, True)])
        round_ = round_of(clicks, state=torch.tensor([1]))
        round_ = replace(round_, prev_prob=torch.full((1, 1, *SIZE), 0.7))
        with evaluating(model), torch.no_grad():
            assert torch.allclose(model(round_).aux["feedback1"], round_.prev_prob, atol=1e-6)

    def test_the_small_experiment_is_that_of_ritm(self) -> None:
        here, there = (experiment_of(f"{name}/tiny_synthetic") for name in ("fcfi", "ritm"))
        assert replace(here, model=there.model) == there


class TestSessions:
    @staticmethod
    def image() -> Tensor:
        return torch.rand(1, 3, 120, 160, generator=torch.Generator().manual_seed(1))

    def test_several_clicks_at_once(self, model: FCFI) -> None:
        predictor = Predictor(model, WholeImage(), mirror=True)
        start = predictor.start(self.image())
        clicks = (Click(30, 40, True), Click(80, 100, True), Click(5, 5, False))
        (session,) = predictor.answer([Request(start, clicks, predictor.rule.view(start, clicks))])
        assert session.clicks == clicks
        assert session.state.tolist() == [3, 3]
        one_by_one = start
        for click in clicks:
            one_by_one = predictor.click(one_by_one, click)
        assert not torch.allclose(one_by_one.prob, session.prob)

    def test_the_second_feedback_is_averaged_with_its_mirror_image(self, model: FCFI) -> None:
        click = Click(40, 50, True)
        image = self.image()
        straight = Predictor(model, WholeImage(), mirror=True)
        one = straight.click(straight.start(image), click).maps["feedback2"]
        other = straight.click(straight.start(image.flip(-1)), Click(40, 160 - 1 - 50, True)).maps[
            "feedback2"
        ]
        assert torch.allclose(one, other.flip(-1), atol=1e-5)

    def test_crops_follow_the_feedback_or_the_answer(self, model: FCFI) -> None:
        click = Click(150, 150, True)
        image = torch.rand(1, 3, 400, 400, generator=torch.Generator().manual_seed(1))
        for follow in ("feedback2", None):
            predictor = Predictor(model, ZoomIn(follow=follow))
            session = predictor.click(predictor.start(image), click)
            assert (session.followed is None) == (follow is None)
            square = torch.zeros(1, 1, 400, 400)
            square[..., 140:160, 140:160] = 1
            here = {"prob": 1 - square} if follow else {"prob": square}
            session = replace(session, followed=square if follow else None, **here)
            assert predictor.rule.view(session, [click, click]).source == Box(50, 50, 251, 251)

    def test_a_method_without_the_map_is_told_so(self) -> None:
        with pytest.raises(
            IsegmError, match="view is to follow feedback2, but RITM offers nothing but its answer"
        ):
            load_protocol("fcfi_r101").predictor(tiny_ritm())

    def test_all_clicks_lie_in_the_crop(self, model: FCFI) -> None:
        predictor = Predictor(model, WholeImage())
        session = predictor.start(torch.zeros(1, 3, 600, 600))
        prob = torch.zeros(1, 1, 600, 600)
        prob[..., 100:200, 100:200] = 1
        session = replace(session, prob=prob, view=ZoomIn().view(session, []).source)
        clicks = [Click(150, 150, True), Click(500, 500, False)]
        boxes = [ZoomIn(all_clicks=both).view(session, clicks).source for both in (False, True)]
        assert [box.contains(500, 500) for box in boxes] == [False, True]
        held = replace(session, box=boxes[0])
        kept = [
            ZoomIn(all_clicks=both, stale_iou=0).view(held, clicks).held for both in (False, True)
        ]
        assert kept == [boxes[0], boxes[1]]

    @pytest.mark.parametrize(
        ("name", "rows"),
        [
            (
                "fcfi_r101",
                {
                    "GrabCut": (600, 3.2),
                    "Berkeley": (720, 2.5),
                    "DAVIS": (640, 3.0),
                    "SBD": (480, 2.3),
                },
            ),
            (
                "fcfi_hrnet18",
                {
                    "GrabCut": (700, 3.0),
                    "Berkeley": (720, 2.8),
                    "DAVIS": (720, 3.5),
                    "SBD": (480, 2.3),
                },
            ),
        ],
    )
    def test_protocols_have_a_row_per_data_set(
        self, name: str, rows: dict[str, tuple[int, float]]
    ) -> None:
        protocol = load_protocol(name)
        for dataset, row in rows.items():
            view = protocol.for_dataset(dataset).view
            assert (view["size"], view["expansion"]) == row
            assert view["follow"] == "feedback2"
            assert view["all_clicks"]
        assert protocol.stop_iou > 1
        assert protocol.label == f"{name} v1"

    def test_the_common_protocol_works_too(self, model: FCFI) -> None:
        predictor = load_protocol("ritm").predictor(model)
        session = predictor.start(self.image())
        for click in (Click(40, 50, True), Click(110, 150, False), Click(60, 70, True)):
            session = predictor.click(session, click)
        assert session.prob.isfinite().all()


class TestCheckpoints:
    @pytest.mark.parametrize(
        "described",
        [
            fcfi_hrnet(width=8, depth="small", ocr_width=16, feedback_width=8),
            fcfi_deeplab(layers=34, width=16, feedback_width=8),
        ],
        ids=["hrnet", "deeplab"],
    )
    def test_other_sizes_are_recognised(self, described: dict) -> None:
        with torch.device("meta"):
            state = build(described).state_dict()
        layout = publish(described)
        shapes = {key: tuple(value.shape) for key, value in layout.keys.to_published(state).items()}
        config = {name: entry["value"] for name, entry in layout.config["params"].items()}
        found = recognise(shapes, config)
        assert found.keys == layout.keys
        with torch.device("meta"):
            again = build(found.spec).state_dict()
        assert {k: v.shape for k, v in again.items()} == {k: v.shape for k, v in state.items()}
        assert recognise_ritm(shapes, config) is None
        assert (
            recognise(
                {key: shape for key, shape in shapes.items() if "correction_module" not in key}
            )
            is None
        )

    def test_what_shapes_cannot_tell_comes_from_the_configuration(self) -> None:
        described = fcfi_hrnet(width=8, depth="small", ocr_width=16)
        with torch.device("meta"):
            named = publish(described).keys.to_published(build(described).state_dict())
        shapes = {key: tuple(value.shape) for key, value in named.items()}
        found = recognise(shapes, {"expansion_ratio": 0.5, "update_num": 2, "norm_radius": 3}).spec[
            "args"
        ]
        assert found["feedback"]["args"]["expansion"] == 0.5
        assert found["feedback"]["args"]["updates"] == 2
        assert found["clicks"] == click_maps("disk", 3)
        with pytest.raises(IsegmError, match="says width=32, but its tensors say 8"):
            recognise(shapes, {"width": 32})

    def test_what_the_original_cannot_express_is_not_published(self) -> None:
        assert publish(fcfi_hrnet(click_map="distance", click_radius=80)) is None
        assert publish(fcfi_hrnet(backbone=spec(HRNet, width=18, activated=True))) is None
        for described in (fcfi_deeplab(), fcfi_hrnet()):
            assert publish(described) is not None
            for option in ("half_pixel", "adaptive"):
                changed = copy.deepcopy(described)
                feedback = changed["args"]["feedback"]["args"]
                feedback[option] = not feedback.get(option, False)
                assert publish(changed) is None

    def test_without_learning_rates_of_parts(self) -> None:
        assert publish(fcfi_hrnet(lr=None)).config["params"]["backbone_lr_mult"]["value"] == 1.0

    def test_a_file_of_this_package(self, tmp_path) -> None:
        described = fcfi_hrnet(width=8, depth="tiny", ocr_width=16, feedback_width=8)
        save_model(tmp_path / "a.safetensors", build(described), described)
        assert load_model(tmp_path / "a.safetensors").model.protocol == "fcfi_hrnet18"


class TestMistakes:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"lr": {"backbones": 1.0}}, "did you mean backbone"),
            ({"fusion": {"in_channels": 2}}, r"feedback\.coords is 3.*set feedback\.coords=2"),
            ({"feedback": {"channels": 7}}, r"feedback\.channels is 7.*set feedback\.channels=120"),
            ({"feedback": {"expansion": 0.0}}, r"feedback\.expansion=0\.0"),
            ({"feedback": {"updates": 0}}, r"feedback\.updates=0"),
            ({"feedback": {"coords": 4}, "fusion": {"in_channels": 4}}, "set it to 2, or 3"),
        ],
    )
    def test_arguments(self, change: dict, message: str) -> None:
        described = fcfi_hrnet(width=8, depth="tiny", ocr_width=16)
        for name, value in change.items():
            if name in ("fusion", "feedback"):
                described["args"][name]["args"].update(value)
            else:
                described["args"][name] = value
        with pytest.raises(IsegmError, match=message):
            build(described)
