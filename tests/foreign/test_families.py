"""Promptable models of transformers answer sessions: small random ones, of every family."""

import itertools
import json
import logging
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.foreign.names import parsed
from isegm.foreign.opening import opened
from isegm.foreign.policies import POLICIES
from isegm.inference.engine import Engine
from isegm.inference.protocol import load_protocol, protocol_for
from isegm.utils import extras

tiny_models = pytest.importorskip("tests.foreign.tiny_models", reason="needs transformers")
transformers = pytest.importorskip("transformers")

CLICKS = [Click(20, 31, True), Click(4, 60, False), Click(33, 12, True), Click(25, 40, False)]
FAMILIES = list(tiny_models.FAMILIES)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("hub")
    return {name: tiny_models.saved(name, root / name) for name in FAMILIES}


@pytest.fixture
def image() -> np.ndarray:
    rows, columns = np.mgrid[:40, :70]
    noise = np.random.default_rng(0).integers(0, 90, (40, 70, 3))
    disc = 120 * ((rows - 20) ** 2 + (columns - 31) ** 2 < 150)
    return (noise + disc[..., None]).astype(np.uint8)


def predictor(folder: Path, options: str = "", protocol: str | None = None):
    model = opened(parsed(f"foreign:{folder}{options}"), "cpu").model
    return protocol_for(model, protocol).predictor(model)


def play(predictor, session, clicks):
    sessions = []
    for click in clicks:
        session = predictor.click(session, click)
        sessions.append(session)
    return sessions


def documented_loop(family: str, folder: Path, image: np.ndarray, policy: str) -> list[np.ndarray]:
    """The masks after each click, as the library's documentation writes it: processor, model and
    post_process_masks, the whole image and all points at every click.
    """
    names = {
        "sam": ("SamModel", "SamProcessor"),
        "sam_hq": ("SamHQModel", "SamHQProcessor"),
        "sam2": ("Sam2Model", "Sam2Processor"),
        "edgetam": ("EdgeTamModel", "Sam2Processor"),
        "sam3_tracker": ("Sam3TrackerModel", "Sam3TrackerProcessor"),
    }[family]
    model = getattr(transformers, names[0]).from_pretrained(folder).eval()
    processor = getattr(transformers, names[1]).from_pretrained(folder)
    mask_input, answers = None, []
    three_at, feeds_back = {
        "three-then-logits": ([1], True),
        "three-always-logits": ([1, 2, 3, 4], True),
        "three-first": ([1], False),
        "single-then-logits": ([], True),
        "single": ([], False),
    }[policy]
    for count in range(1, len(CLICKS) + 1):
        points = [[[[c.x, c.y] for c in CLICKS[:count]]]]
        labels = [[[int(c.positive) for c in CLICKS[:count]]]]
        inputs = processor(
            images=image, input_points=points, input_labels=labels, return_tensors="pt"
        )
        given = {"input_points": inputs["input_points"].float()}
        with torch.no_grad():
            outputs = model(
                pixel_values=inputs["pixel_values"],
                input_labels=inputs["input_labels"],
                input_masks=mask_input,
                multimask_output=count in three_at,
                **given,
            )
        best = outputs.iou_scores[0, 0].argmax()
        sizes = [inputs["original_sizes"]]
        if family in ("sam", "sam_hq"):
            sizes.append(inputs["reshaped_input_sizes"])
        full = processor.post_process_masks(outputs.pred_masks, *sizes, binarize=False)[0]
        answers.append(full[0, best].sigmoid().numpy())
        mask_input = outputs.pred_masks[:, 0, best][:, None] if feeds_back else None
    return answers


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_documented_loop_gives_the_same_masks(
    family: str, policy: str, folders: dict[str, Path], image: np.ndarray
) -> None:
    ours = predictor(folders[family], f",policy={policy}")
    sessions = play(ours, ours.start(image), CLICKS)
    loop = documented_loop(family, folders[family], image, policy)
    for session, expected in zip(sessions, loop, strict=True):
        assert expected.std() > 1e-3  # a constant answer would compare nothing
        np.testing.assert_allclose(session.prob[0, 0].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("family", ["sam", "sam2"])
def test_policies_differ(family: str, folders: dict[str, Path], image: np.ndarray) -> None:
    answers = {}
    for policy in POLICIES:
        ours = predictor(folders[family], f",policy={policy}")
        sessions = play(ours, ours.start(image), CLICKS)
        answers[policy] = torch.cat([session.prob for session in sessions])
    for one, other in itertools.combinations(answers.values(), 2):
        assert (one - other).abs().max() > 1e-3


@pytest.mark.parametrize("policy", ["three-then-logits", "single"])
@pytest.mark.parametrize("family", FAMILIES)
def test_undo_and_branches_are_exact(
    family: str, policy: str, folders: dict[str, Path], image: np.ndarray
) -> None:
    ours = predictor(folders[family], f",policy={policy}")
    one, two, three, _ = play(ours, ours.start(image), CLICKS)
    kept = one.prob.clone(), two.prob.clone()
    other = ours.click(one, Click(2, 2, False))
    assert not torch.equal(other.prob, two.prob)
    assert torch.equal(ours.click(one, CLICKS[1]).prob, two.prob)
    assert torch.equal(ours.click(two, CLICKS[2]).prob, three.prob)
    assert torch.equal(one.prob, kept[0])
    assert torch.equal(two.prob, kept[1])


@pytest.mark.parametrize("policy", ["three-then-logits", "single"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_of_unequal_sessions_is_answered_as_if_each_were_alone(
    family: str, policy: str, folders: dict[str, Path], image: np.ndarray
) -> None:
    ours = predictor(folders[family], f",policy={policy}")
    ours.max_pixels = 10**7  # on a CPU every session has a pass of its own otherwise
    other = image[:, ::-1].copy()
    begun = [
        ours.start(image),
        play(ours, ours.start(image), CLICKS[:2])[-1],
        play(ours, ours.start(other), CLICKS[:2])[-1],
        play(ours, ours.start(other), CLICKS[:1])[-1],
    ]
    clicks = [Click(9, 9, True), CLICKS[2], Click(30, 30, True), CLICKS[1]]
    together = ours.click_many(begun, clicks)
    for session, click, answer in zip(begun, clicks, together, strict=True):
        alone = ours.click(session, click)
        torch.testing.assert_close(answer.prob, alone.prob, atol=1e-5, rtol=0)
        again = ours.click(answer, Click(1, 1, False)), ours.click(alone, Click(1, 1, False))
        torch.testing.assert_close(again[0].prob, again[1].prob, atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_image_is_encoded_once(family: str, folders: dict[str, Path], image: np.ndarray) -> None:
    ours = predictor(folders[family])
    seen = []
    ours.model.network.vision_encoder.register_forward_hook(lambda *_: seen.append(1))
    sessions = play(ours, ours.start(image), CLICKS)
    ours.click(sessions[0], Click(1, 1, False))  # undo
    second_object = ours.click(ours.start(image.copy()), Click(5, 5, True))
    ours.max_pixels = 10**7
    ours.click_many([ours.start(image), second_object], [Click(7, 7, True), Click(8, 8, True)])
    assert len(seen) == 1
    ours.click(ours.start(image[:, ::-1].copy()), Click(5, 5, True))
    assert len(seen) == 2
    states = [s.state.rows[0].encoding for s in (*sessions, second_object)]
    assert all(state is states[0] for state in states)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (4000, 3000)])
@pytest.mark.parametrize("family", ["sam", "sam2"])
def test_sizes(family: str, size: tuple[int, int], folders: dict[str, Path]) -> None:
    ours = predictor(folders[family])
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    session = ours.click(ours.start(image), Click(size[0] - 1, size[1] - 1, True))
    session = ours.click(session, Click(0, 0, False))
    assert session.prob.shape[-2:] == size
    assert session.prob.isfinite().all()


def test_an_image_that_is_too_long(folders: dict[str, Path]) -> None:
    ours = predictor(folders["sam"])
    image = np.zeros((1, 300, 3), np.uint8)  # at 64 pixels it has no row left
    with pytest.raises(IsegmError, match=r"1 rows and 300 columns.*crop it"):
        ours.click(ours.start(image), Click(0, 3, True))


def test_zoom_in_and_mirror_work_too(folders: dict[str, Path], image: np.ndarray) -> None:
    ours = predictor(folders["sam"], protocol="ritm")
    one, two, three, _ = play(ours, ours.start(image), CLICKS)
    assert torch.equal(ours.click(one, CLICKS[1]).prob, two.prob)
    assert torch.equal(ours.click(two, CLICKS[2]).prob, three.prob)


def test_the_label_names_the_policy(folders: dict[str, Path]) -> None:
    engine = Engine(f"foreign:{folders['sam2']},policy=single,stability=false")
    assert engine.protocol.label == "whole_image v1 (policy=single, stability=off)"
    assert Engine(f"foreign:{folders['sam_hq']},hq_only=true").protocol.label == (
        "whole_image v1 (policy=three-then-logits, hq_only=yes)"
    )
    model = opened(parsed(f"foreign:{folders['sam']}"), "cpu").model
    assert "policy=three-then-logits" in protocol_for(model, "ritm").label
    assert load_protocol("ritm").label == "ritm v1"


def copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))


@pytest.mark.parametrize("family", ["sam", "sam2"])
def test_a_missing_or_further_tensor_is_an_error(
    family: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = copied(folders[family], tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    name = "prompt_encoder.not_a_point_embed.weight"
    lacking = {key: value for key, value in tensors.items() if key != name}
    save_file(lacking, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(IsegmError, match=rf"family {family}\): tensors 1 missing \({name}\)"):
        Engine(f"foreign:{folder}")
    more = {**tensors, "mask_decoder.odd": torch.zeros(2)}
    save_file(more, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(IsegmError, match=r"1 unexpected \(mask_decoder\.odd\)"):
        Engine(f"foreign:{folder}")
    reshaped = {**tensors, name: torch.zeros(1, 7)}
    save_file(reshaped, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(IsegmError, match=rf"1 mismatched \({name}\)"):
        Engine(f"foreign:{folder}")


def test_the_wrong_family_is_named(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(folders["sam"], tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    with pytest.raises(IsegmError, match=r"unknown family of models in .*'bert'.*known: .*sam2"):
        Engine(f"foreign:{folder}")
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "sam_hq"}))
    with pytest.raises(IsegmError, match=r"SamHQModel.*family sam_hq"):
        Engine(f"foreign:{folder}")
    (folder / "config.json").write_text("{")
    with pytest.raises(IsegmError, match="names no model_type"):
        Engine(f"foreign:{folder}")


def test_folders_that_hold_no_model(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(IsegmError, match=r"holds no config\.json; expected a folder"):
        Engine(f"foreign:{tmp_path}")
    folder = copied(folders["sam"], tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "other.bin")
    with pytest.raises(IsegmError, match=r"holds no \*\.safetensors"):
        Engine(f"foreign:{folder}")
    (folder / "other.bin").rename(folder / "model.safetensors")
    for file in folder.glob("*processor*"):
        file.unlink()
    with pytest.raises(IsegmError, match="cannot be loaded as SamModel and SamProcessor"):
        Engine(f"foreign:{folder}")


def test_a_processor_of_another_size(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copied(folders["sam2"], tmp_path / "model")
    size = {"height": 128, "width": 128}
    transformers.Sam2Processor(transformers.Sam2ImageProcessor(size=size)).save_pretrained(folder)
    with pytest.raises(IsegmError, match="64 pixels, its processor makes 128"):
        Engine(f"foreign:{folder}")


def test_names_and_settings_that_do_not_exist(folders: dict[str, Path]) -> None:
    with pytest.raises(IsegmError, match="did you mean sam-base"):
        Engine("foreign:sam-bas")
    with pytest.raises(IsegmError, match=r"unknown policy 'thre-first'; did you mean three-first"):
        Engine(f"foreign:{folders['sam']},policy=thre-first")
    with pytest.raises(IsegmError, match=r"unknown setting of sam 'stability'; known: policy"):
        Engine(f"foreign:{folders['sam']},stability=true")
    with pytest.raises(IsegmError, match="expected true or false"):
        Engine(f"foreign:{folders['sam2']},stability=3")


def test_without_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(module: str) -> None:
        raise ImportError(f"No module named {module!r}")

    monkeypatch.setattr(extras, "importlib", SimpleNamespace(import_module=refuse))
    with pytest.raises(IsegmError, match=r"foreign:sam-base needs transformers .*isegm\[foreign\]"):
        Engine("foreign:sam-base")


def test_loading_leaves_the_librarys_logging_alone(
    folders: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    log = transformers.utils.logging
    before = log.get_verbosity(), log.is_progress_bar_enabled()
    with caplog.at_level(logging.WARNING):
        Engine(f"foreign:{folders['sam']}")
    assert (log.get_verbosity(), log.is_progress_bar_enabled()) == before
    assert not caplog.records
