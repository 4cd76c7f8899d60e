"""SimpleClick: its protocol, published files with Python objects inside, learning rates, and what
it refuses.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from golden import golden_tensor

from isegm.core.clicks import Click, Clicks
from isegm.core.errors import IsegmError
from isegm.core.registry import Spec, build, spec
from isegm.core.rounds import Round
from isegm.inference.protocol import load_protocol
from isegm.methods.checkpoints import save_model
from isegm.methods.simpleclick import SimpleClick, simpleclick, tiny
from isegm.nn.weights import StandIn, read_weights
from isegm.originals.loading import load_model, save_published
from isegm.originals.simpleclick import KEYS, publish, recognise
from isegm.reference.twin import slow_twin

MODULE = "isegm.model.modeling.transformer_helper.cross_entropy_loss"


@functools.cache
def described() -> Spec:
    return simpleclick("xtiny", 224, click_radius=5)


@functools.cache
def golden_state() -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        named = KEYS.to_published(build(described()).state_dict())
    return {key: golden_tensor(key, tuple(value.shape)) for key, value in named.items()}


@pytest.fixture
def loss() -> Iterator[torch.nn.Module]:
    """The object that published files hold, of a class that is gone when they are read."""

    def cross_entropy(pred: torch.Tensor) -> torch.Tensor:
        raise AssertionError("nothing in a file may be called")

    class CrossEntropyLoss(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cls_criterion = cross_entropy

        def __setstate__(self, state: Any) -> None:
            raise AssertionError("nothing in a file may be called")

    module = types.ModuleType(MODULE)
    for thing in (CrossEntropyLoss, cross_entropy):
        thing.__module__, thing.__qualname__ = MODULE, thing.__name__
        setattr(module, thing.__name__, thing)
    sys.modules[MODULE] = module
    yield CrossEntropyLoss()
    sys.modules.pop(MODULE, None)


def written(path: Path, **changes: Any) -> Path:
    """A file as the original code base writes it, with some arguments of its model changed."""
    params = {name: entry["value"] for name, entry in publish(described()).config["params"].items()}
    params = {
        name: {"type": "builtin", "value": value, "specified": True}
        for name, value in (params | changes).items()
    }
    config = {"class": "isegm.model.is_plainvit_model.PlainVitModel", "params": params}
    torch.save({"state_dict": golden_state(), "config": config}, path)
    return path


def round_of(size: tuple[int, int], *clicks: Click) -> Round:
    torch.manual_seed(0)
    return Round(torch.rand(1, 3, *size), Clicks.of(clicks), torch.rand(1, 1, *size))


class TestPublishedFiles:
    def test_a_file_with_python_objects_loads_and_runs_nothing(
        self, tmp_path: Path, loss: torch.nn.Module
    ) -> None:
        head = publish(described()).config["params"]["head_params"]["value"] | {"loss_decode": loss}
        path = written(tmp_path / "cocolvis_vit_xtiny.pth", head_params=head)
        del sys.modules[MODULE]
        loaded = load_model(path)
        assert loaded.source == "SimpleClick (published)"
        assert loaded.spec == described()
        assert loaded.report.complete
        assert MODULE not in sys.modules
        state = KEYS.to_published(loaded.model.state_dict())
        assert all(torch.equal(state[key], value) for key, value in golden_state().items())

    def test_only_names_that_were_announced_become_stand_ins(
        self, tmp_path: Path, loss: torch.nn.Module
    ) -> None:
        torch.save({"loss": loss}, tmp_path / "file.pth")
        known = set(torch.serialization.get_safe_globals())
        names = [f"{MODULE}.{name}" for name in ("CrossEntropyLoss", "cross_entropy")]
        assert type(read_weights(tmp_path / "file.pth", names)["loss"]) is StandIn
        for fewer in (names[:1], names[1:], []):
            with pytest.raises(IsegmError, match="cannot be read as weights"):
                read_weights(tmp_path / "file.pth", fewer)
        assert set(torch.serialization.get_safe_globals()) == known

    def test_it_can_be_written_again(self, tmp_path: Path) -> None:
        loaded = load_model(written(tmp_path / "sbd_vitxt.pth"))
        save_published(tmp_path / "again.pth", loaded)
        first, again = (
            torch.load(tmp_path / name, weights_only=True)
            for name in ("sbd_vitxt.pth", "again.pth")
        )
        assert again["config"] == first["config"]
        assert all(
            torch.equal(again["state_dict"][key], value)
            for key, value in first["state_dict"].items()
        )
        assert load_model(tmp_path / "again.pth").spec == loaded.spec

    def test_it_can_be_converted(self, tmp_path: Path) -> None:
        loaded = load_model(written(tmp_path / "sbd_vitxt.pth"))
        save_model(tmp_path / "ours.safetensors", loaded.model, loaded.spec)
        round_ = round_of((224, 224), Click(50, 60, True))
        with torch.inference_mode():
            answers = [
                m.model(round_).logits for m in (loaded, load_model(tmp_path / "ours.safetensors"))
            ]
        assert torch.equal(*answers)

    def test_files_of_2022_lack_arguments(self, tmp_path: Path) -> None:
        torch.save(
            {"state_dict": golden_state(), "config": {"class": "anything", "params": {}}},
            tmp_path / "old.pth",
        )
        assert load_model(tmp_path / "old.pth").spec == described()

    def test_the_number_of_heads_comes_from_the_configuration(self, tmp_path: Path) -> None:
        body = publish(described()).config["params"]["backbone_params"]["value"]
        path = written(
            tmp_path / "x.pth", backbone_params=body | {"num_heads": 10, "img_size": [224, 224]}
        )
        assert load_model(path).spec["args"]["backbone"]["args"]["heads"] == 10

    @pytest.mark.parametrize(
        "changes", [{"random_split": True}, {"use_disks": False}, {"use_rgb_conv": True}]
    )
    def test_what_only_the_original_can_do_is_refused(
        self, tmp_path: Path, changes: dict[str, Any]
    ) -> None:
        with pytest.raises(IsegmError, match=next(iter(changes))):
            load_model(written(tmp_path / "x.pth", **changes))

    @pytest.mark.parametrize(
        ("part", "name", "value"),
        [
            ("backbone_params", "depth", 12),
            ("backbone_params", "patch_size", [14, 14]),
            ("neck_params", "out_dims", [96, 192, 288, 385]),
            ("head_params", "upsample", "x2"),
            ("head_params", "align_corners", True),
        ],
    )
    def test_a_configuration_that_contradicts_the_tensors_is_refused(
        self, tmp_path: Path, part: str, name: str, value: Any
    ) -> None:
        arguments = publish(described()).config["params"][part]["value"] | {name: value}
        with pytest.raises(IsegmError, match=rf"x\.pth: .* says {part}\.{name}="):
            load_model(written(tmp_path / "x.pth", **{part: arguments}))

    def test_so_is_another_input(self, tmp_path: Path) -> None:
        with pytest.raises(IsegmError, match="with_prev_mask=False"):
            load_model(written(tmp_path / "x.pth", with_prev_mask=False))

    def test_a_configuration_of_other_make_is_left_aside(self) -> None:
        shapes = {key: tuple(value.shape) for key, value in golden_state().items()}
        assert (
            recognise(
                shapes, {"backbone_params": "base", "head_params": {"dropout_ratio": 0.2}}
            ).spec
            == described()
        )

    @pytest.mark.parametrize(
        "missing", ["backbone.cls_token", "head.up_conv2.0.weight", "neck.down_32.3.bias"]
    )
    def test_every_tensor_must_be_there(self, tmp_path: Path, missing: str) -> None:
        torch.save(
            {"state_dict": {k: v for k, v in golden_state().items() if k != missing}},
            tmp_path / "x.pth",
        )
        with pytest.raises(IsegmError, match=missing):
            load_model(tmp_path / "x.pth")

    @pytest.mark.parametrize("upsample", [1, 2, 4])
    @pytest.mark.parametrize("variant", ["xtiny", "base", "large", "huge"])
    def test_every_variant_is_recognised_by_its_shapes(self, variant: str, upsample: int) -> None:
        made = simpleclick(variant, 448, upsample=upsample, click_radius=5)
        with torch.device("meta"):
            state = KEYS.to_published(build(made).state_dict())
        shapes = {key: tuple(value.shape) for key, value in state.items()}
        assert recognise(shapes).spec == made
        assert recognise({}) is None
        positions = {**shapes, "backbone.pos_embed": (1, 1 + 28 * 20, 768)}
        with pytest.raises(IsegmError, match="only square crops"):
            recognise(positions)

    def test_unknown_sizes_need_a_configuration(self) -> None:
        with torch.device("meta"):
            state = KEYS.to_published(build(simpleclick("xtiny")).state_dict())
        shapes = {key: tuple(value.shape) for key, value in state.items()}
        shapes["patch_embed_coords.proj.weight"] = (200, 3, 16, 16)
        with pytest.raises(IsegmError, match="200 channels"):
            recognise(shapes)

    def test_what_the_original_has_no_name_for(self) -> None:
        assert publish(simpleclick("tiny")) is None


class TestProtocol:
    @pytest.mark.parametrize(("name", "side"), [("GrabCut", 448), ("SBD", 448), ("DAVIS", 672)])
    def test_every_view_is_a_square_of_one_size(self, name: str, side: int) -> None:
        protocol = load_protocol(tiny().protocol).for_dataset(name)
        predictor = protocol.predictor(tiny().eval())
        session = predictor.start(torch.zeros(1, 3, 90, 200, dtype=torch.uint8))
        view = predictor.request(session, Click(10, 10, True)).view
        assert view.size == (side, side)
        assert view.source == (0, 0, 90, 200)
        assert (
            protocol.mirror,
            protocol.mask_threshold,
            protocol.stop_iou,
            protocol.max_clicks,
        ) == (True, 0.49, 0.9, 20)

    def test_it_is_what_ritm_calls_fixed448(self) -> None:
        """Clicks under that mode are compared with recorded ones in
        tests/evaluation/test_protocol_goldens.py.
        """
        ritm = load_protocol("ritm")
        view = {**ritm.view, "skip_clicks": -1, "size": [448, 448]}
        ours = dataclasses.replace(
            load_protocol("simpleclick"), name="ritm", source=ritm.source, datasets=ritm.datasets
        )
        assert ours == dataclasses.replace(ritm, view=view)

    def test_a_session(self) -> None:
        predictor = load_protocol("simpleclick").for_dataset("synthetic").predictor(tiny().eval())
        session = predictor.start(torch.randint(0, 255, (1, 3, 120, 160), dtype=torch.uint8))
        for click in (Click(60, 80, True), Click(10, 150, False)):
            session = predictor.click(session, click)
        assert session.prob.shape == (1, 1, 120, 160)
        assert session.view_size == (128, 128)


class TestViews:
    def test_filling_up_does_not_move_anything(self) -> None:
        """A view that is filled up answers as the larger view of which it is a part, the rest being
        of the mean colour.
        """
        model = tiny().eval()
        round_ = round_of((61, 75), Click(20, 30, True), Click(50, 60, False))
        image = model.normalise.mean.expand(1, 3, 64, 80).clone()
        image[..., :61, :75] = round_.image
        prev = torch.zeros(1, 1, 64, 80)
        prev[..., :61, :75] = round_.prev_prob
        with torch.no_grad():
            small, large = (
                model(round_),
                model(dataclasses.replace(round_, image=image, prev_prob=prev)),
            )
        assert torch.allclose(small.logits, large.logits[..., :61, :75], atol=1e-5)

    def test_the_reference_answers_alike(self) -> None:
        model, round_ = (
            tiny().eval(),
            round_of((64, 64), Click(20.3, 30.7, True), Click(50, 10, False)),
        )
        with torch.no_grad():
            assert torch.equal(model(round_).logits, slow_twin(model)(round_).logits)

    def test_without_previous_mask(self) -> None:
        model, round_ = (
            build(simpleclick("tiny", 64, prev_mask=False)).eval(),
            round_of((64, 64), Click(20, 30, True)),
        )
        with torch.no_grad():
            other = dataclasses.replace(round_, prev_prob=1 - round_.prev_prob)
            assert torch.equal(model(round_).logits, model(other).logits)


class TestLearningRates:
    def test_published(self) -> None:
        model = tiny()
        assert {model.lr_multiplier(name) for name, _ in model.named_parameters()} == {1.0}

    def test_layer_decay(self) -> None:
        model = build(simpleclick("tiny", 64, layer_decay=0.5))
        rates = {
            "head.conv_seg.weight": 1,
            "neck.down_4.0.weight": 1,
            "backbone.patch_embed_coords.proj.weight": 1,
            "backbone.blocks.7.attn.qkv.weight": 0.5,
            "backbone.blocks.0.mlp.fc1.bias": 0.5**8,
            "backbone.patch_embed.proj.weight": 0.5**9,
            "backbone.pos_embed": 0.5**9,
        }
        assert {name: model.lr_multiplier(name) for name in rates} == rates
        assert set(rates) <= {name for name, _ in model.named_parameters()}


class TestMistakes:
    def test_unknown_variant(self) -> None:
        with pytest.raises(IsegmError, match="did you mean large"):
            simpleclick("larg")

    @pytest.mark.parametrize("part", ["neck", "head"])
    def test_parts_that_do_not_fit(self, part: str) -> None:
        parts = simpleclick("tiny", 64)["args"]
        wrong = 64 if part == "neck" else [8, 8, 8, 8]
        parts[part] = {**parts[part], "args": {**parts[part]["args"], "in_channels": wrong}}
        with pytest.raises(IsegmError, match=rf"{part}\.in_channels is"):
            build(spec(SimpleClick, **parts))

    def test_coordinate_features(self) -> None:
        parts = simpleclick("tiny", 64)["args"] | {"prev_mask": False}
        with pytest.raises(IsegmError, match=r"set backbone\.side_channels=2"):
            build(spec(SimpleClick, **parts))
