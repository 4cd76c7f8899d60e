"""Bootstrap intervals and model cards, on result files with known answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from isegm.cli.commands import run_command
from isegm.core.errors import IsegmError
from isegm.core.registry import build
from isegm.evaluation import card, pages
from isegm.evaluation.results import DatasetResult, ObjectRecord, RunResult
from isegm.evaluation.statistics import image_of, interval, per_object
from isegm.inference.protocol import load_protocol
from isegm.methods.checkpoints import read_metadata, save_model
from isegm.methods.ritm import ritm_hrnet
from isegm.originals.loading import LoadedModel, load_model
from isegm.originals.ritm import publish
from isegm.utils.config import REPOSITORY
from isegm.zoo.hashes import digest

TINY = ritm_hrnet(width=8, depth="tiny", ocr_width=16)
Said = Callable[..., str]
NEVER = (0.5,) * 20
AT_ONCE = (0.94,)
SPEED = {
    "parameters": 5,
    "first_click": {"gflops": 1.234, "ms_p50": 40.4, "ms_p95": 55.5},
    "later_click": {"gflops": 1.2, "ms_p50": 30.0, "ms_p95": 45.0},
    "environment": {"device": "a processor", "threads": "2"},
    "size": [400, 600],
    "protocol": "starter v2",
}
PAGE = "# Title\n\n## Data\n\nPhotographs.\n\n## Results\n\n"
PAGE += f"{pages.BEGIN}\nold\n{pages.END}\n\nAfter.\n"


def result(curves: dict[str, tuple[float, ...]], name: str = "Berkeley") -> DatasetResult:
    records = (
        ObjectRecord(i, ((0.0, 0.0, 1),) * len(ious), ious, (0.1,) * len(ious))
        for i, ious in curves.items()
    )
    return DatasetResult(name, "ab" * 32, tuple(records), (0.85, 0.9), 20)


# Three objects of one photograph answered at once, and one of another photograph never.
TWO = result({"189011": AT_ONCE, "189011a": AT_ONCE, "189011b": AT_ONCE, "12003": NEVER})


@pytest.mark.parametrize(
    ("dataset", "object_id", "image"),
    [
        ("Berkeley", "189011b", "189011"),
        ("Berkeley", "12003", "12003"),
        ("GrabCut", "21077b", "21077b"),
        ("folder", "cat#2", "cat"),
        ("hippocampus", "hippocampus_001_0012", "hippocampus_001"),
    ],
)
def test_objects_know_their_image(dataset: str, object_id: str, image: str) -> None:
    assert image_of(dataset, object_id) == image


def test_means_are_those_of_the_tables() -> None:
    data = result(
        {"a": (0.5, 0.86, 0.91), "b": (0.7, 0.9), "c": NEVER, "d": (0.87, 0.88, 0.93)}, "GrabCut"
    )
    for metric in ("NoC@85", "NoC@90", "mIoU@1", "mIoU@5"):
        assert interval(data, metric).value == pytest.approx(data.metrics[metric])
    assert interval(data, "fail@90").value * 4 == data.metrics["fail@90"] == 1
    assert list(per_object(data, "NoC@90")) == [3, 2, 20, 3]


def test_whole_photographs_are_resampled() -> None:
    """Of two photographs a resample holds one twice (each 25 %) or both: three means, known
    exactly.
    """
    found = interval(TWO, "NoC@90")
    assert (found.low, found.value, found.high) == (1, 23 / 4, 20)
    apart = interval(result({str(i): c for i, c in enumerate(TWO.curves)}, "GrabCut"), "NoC@90")
    assert (
        apart.high < 20
    )  # four photographs: all four resampled as the failed one is rarer than 2.5 %


def test_many_images_give_the_normal_interval() -> None:
    coins = result({str(i): AT_ONCE if i % 2 else NEVER for i in range(400)}, "GrabCut")
    found = interval(coins, "fail@90")
    assert found.value == 0.5
    assert found.low == pytest.approx(0.5 - 1.96 * 0.025, abs=0.005)
    assert found.high == pytest.approx(0.5 + 1.96 * 0.025, abs=0.005)
    assert interval(coins, "fail@90") == found


def test_what_has_no_interval() -> None:
    with pytest.raises(IsegmError, match="objects of 1 images"):
        interval(result({"189011a": AT_ONCE, "189011b": NEVER}), "NoC@90")
    for metric in ("Noc@90", "NoC", "NoC@0"):
        with pytest.raises(IsegmError, match="unknown metric"):
            interval(TWO, metric)


@pytest.fixture
def checkpoint(tmp_path: Path) -> LoadedModel:
    torch.manual_seed(0)
    save_model(tmp_path / "model.safetensors", build(TINY), TINY)
    return load_model(tmp_path / "model.safetensors")


def run(checkpoint: LoadedModel) -> RunResult:
    identity = {"path": checkpoint.path, "sha256": checkpoint.sha256, "mode": "NoBRS"}
    return RunResult.of(load_protocol("starter"), identity, [TWO], "model")


def test_numbers_as_a_table(checkpoint: LoadedModel) -> None:
    text = card.markdown(card.numbers(checkpoint, [run(checkpoint)], SPEED))
    row = next(line for line in text.splitlines() if line.startswith("| Berkeley"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:5] == [
        "Berkeley",
        "starter v2",
        "4 (2)",
        "5.75 [1.00, 20.00]",
        "5.75 [1.00, 20.00]",
    ]
    assert cells[5] == "83.0 [50.0, 94.0]"
    assert cells[7] == "25.0 [0.0, 100.0]"
    assert "| first | 1.23 | 40 | 56 |" in text
    assert checkpoint.sha256[:16] in text


def filed(checkpoint: LoadedModel, runs: list[RunResult], page: Path) -> dict:
    """A card of these runs, written into the file and the page."""
    made = card.assembled(checkpoint, card.numbers(checkpoint, runs, SPEED), {}, page)
    card.write(checkpoint.path, made)
    card.write_page(page, checkpoint, made)
    return made["numbers"]


def test_the_card_goes_into_page_and_file_and_again(
    checkpoint: LoadedModel, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    measured = filed(checkpoint, [run(checkpoint)], page)
    written = page.read_text()
    assert "old" not in written
    assert written.startswith("# Title\n\n## Data\n\nPhotographs.")
    assert written.endswith(f"{pages.END}\n\nAfter.\n")
    stored = card.read_card(checkpoint.path)
    assert stored["sections"] == {"Data": "Photographs.", "Results": "After."}
    assert stored["numbers"] == json.loads(json.dumps(measured))
    after = load_model(checkpoint.path)
    assert after.sha256 != checkpoint.sha256
    again = card.numbers(after, [run(checkpoint)], SPEED)  # the same results still belong to it
    assert again["sha256"] == checkpoint.sha256
    kept = card.numbers(after, [], None)  # numbers that are not given anew stay
    assert (kept["sha256"], kept["rows"], kept["speed"]) == tuple(
        measured[k] for k in ("sha256", "rows", "speed")
    )
    assert json.loads(read_metadata(checkpoint.path)["spec"]) == TINY


def test_a_run_that_stopped_early_has_no_later_number(checkpoint: LoadedModel) -> None:
    stopped = result({"189011": (0.87,), "189011a": AT_ONCE, "189011b": AT_ONCE, "12003": NEVER})
    early = replace(stopped, thresholds=(0.85,))
    evaluation = replace(run(checkpoint), datasets=(early,))
    (row,) = card.numbers(checkpoint, [evaluation], None)["rows"]
    assert set(row["metrics"]) == {"NoC@85", "mIoU@1", "mIoU@5"}
    text = card.markdown(card.numbers(checkpoint, [evaluation], None))
    assert "| 5.75 [1.00, 20.00] | - | 81.2" in text


def test_results_of_another_checkpoint_are_refused(checkpoint: LoadedModel, tmp_path: Path) -> None:
    save_model(tmp_path / "other.safetensors", build(TINY), TINY)
    with pytest.raises(IsegmError, match="evaluate this file"):
        card.numbers(load_model(tmp_path / "other.safetensors"), [run(checkpoint)], None)


def test_pages_without_a_place_are_refused(checkpoint: LoadedModel, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# Title\n")
    for name, message in (("page.md", "has 0 places for numbers"), ("none.md", "there is no page")):
        with pytest.raises(IsegmError, match=message):
            filed(checkpoint, [], tmp_path / name)
    assert card.read_card(checkpoint.path) is None
    (tmp_path / "speed.json").write_text('{"parameters": 5}')
    with pytest.raises(IsegmError, match="isegm speed"):
        card.read_speed(tmp_path / "speed.json")


@pytest.fixture
def said(capsys: pytest.CaptureFixture) -> Said:
    """What `isegm card` prints."""

    def called(*words: object) -> str:
        assert run_command("card", [str(word) for word in words]) == 0
        return capsys.readouterr().out

    return called


def row_of(text: str, label: str) -> str:
    """The value of a fact."""
    (value,) = re.findall(rf"^\| {label} \| (.*) \|$", text, re.MULTILINE)
    return value


def test_the_command_fills_a_page_and_leaves_the_file(
    checkpoint: LoadedModel, tmp_path: Path, said: Said
) -> None:
    (tmp_path / "page.md").write_text(PAGE)
    (tmp_path / "speed.json").write_text(json.dumps(SPEED))
    run(checkpoint).save(tmp_path / "a.json")
    words = [checkpoint.path, "--page", tmp_path / "page.md", "--results", tmp_path / "a.json"]
    text = said(*words, "--speed", tmp_path / "speed.json")
    assert pages.BLOCK.search((tmp_path / "page.md").read_text())[1] in text
    assert "| Berkeley | starter v2 | 4 (2) | 5.75 [1.00, 20.00] |" in text
    assert "## Data\n\nPhotographs." in text
    assert load_model(checkpoint.path).sha256 == checkpoint.sha256


def test_a_card_says_what_is_unknown(checkpoint: LoadedModel, said: Said) -> None:
    text = said(checkpoint.path)
    assert text.startswith("# model\n")
    assert row_of(text, "SHA-256") == f"`{checkpoint.sha256}`"
    assert row_of(text, "training data") == row_of(text, "licence") == "unknown"
    assert row_of(text, "protocol") == "ritm v1"
    assert row_of(text, "backbone") == 'HRNet, width 8, depth "tiny"'
    assert "arXiv 2102.06583" in row_of(text, "method")
    assert "Not evaluated yet." in text


def test_a_new_page_is_the_whole_card_and_can_be_filled_again(
    checkpoint: LoadedModel, tmp_path: Path, said: Said
) -> None:
    run(checkpoint).save(tmp_path / "a.json")
    words = [checkpoint.path, "--results", tmp_path / "a.json", "--licence", "CC0-1.0"]
    text = said(*words, "--data", "two photographs", "--write", "--page", tmp_path / "new.md")
    page = (tmp_path / "new.md").read_text()
    assert pages.BLOCK.sub(lambda match: match[1].strip(), page) == text
    assert row_of(text, "licence") == "CC0-1.0"
    again = said(checkpoint.path, "--page", tmp_path / "new.md")  # from the file alone
    assert row_of(again, "training data") == "two photographs"
    assert f"(`{checkpoint.sha256[:16]}` before" in row_of(again, "SHA-256")
    assert (tmp_path / "new.md").read_text() == page


def test_a_card_of_a_published_file(tmp_path: Path, said: Said) -> None:
    loaded = load_model(published_file(tmp_path / "published.pth"))
    text = said(loaded.path)
    assert row_of(text, "written by") == "RITM (published)"
    assert row_of(text, "SHA-256") == f"`{loaded.sha256}`"
    assert run_command("card", [loaded.path, "--write"]) == 2
    with pytest.raises(IsegmError, match="isegm convert"):
        card.write(loaded.path, card.assembled(loaded, card.numbers(loaded, [], None), {}))
    save_model(tmp_path / "own.safetensors", loaded.model, loaded.spec, origin_of(loaded))
    converted = said(tmp_path / "own.safetensors")
    expected = f"this package, converted from RITM (published) with SHA-256 `{loaded.sha256[:16]}`"
    assert row_of(converted, "written by") == expected


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Write a zoo with one checkpoint of this hash, in the file ``published.pth``."""

    def write(hash_: str) -> None:
        fields = f"file: published.pth, licence: CC0-1.0, hash: '{hash_}', method: RITM"
        more = "trained_on: noise, paper: A paper, arxiv: '1234.56789'"
        name = tmp_path / f"zoo{len(hash_)}.yml"
        name.write_text(f"checkpoints: {{small: {{{fields}, {more}}}}}\n")
        monkeypatch.setenv("ISEGM_ZOO", str(name))

    return write


def test_the_zoo_knows_a_published_file_by_its_hash(
    tmp_path: Path, zoo: Callable[[str], None], said: Said
) -> None:
    path = published_file(tmp_path / "renamed.pth")
    zoo(f"git:{digest(path, 'git')}")
    text = said(path)
    assert row_of(text, "published as") == "small, by its git hash"
    assert row_of(text, "paper") == "A paper (arXiv 1234.56789)"
    assert (row_of(text, "training data"), row_of(text, "licence")) == ("noise", "CC0-1.0")


def test_a_name_proves_nothing(tmp_path: Path, zoo: Callable[[str], None], said: Said) -> None:
    path = published_file(tmp_path / "published.pth")
    zoo("")
    text = said(path)
    assert row_of(text, "published as").startswith("unknown; it has the name of small")
    assert row_of(text, "licence") == row_of(text, "training data") == "unknown"
    record = {"sha256": digest(path, "sha256"), "date": "2026-01-01", "address": "http://x/y"}
    (tmp_path / "downloads.json").write_text(json.dumps({path.name: record}))
    text = said(path)
    assert row_of(text, "published as") == "small, downloaded from http://x/y on 2026-01-01"
    assert row_of(text, "licence") == "CC0-1.0"


def published_file(path: Path) -> Path:
    """A narrow network in a file as RITM's code writes it."""
    described = ritm_hrnet(4, "small", 8)
    published, model = publish(described), build(described)
    state = published.keys.to_published(model.state_dict())
    torch.save({"state_dict": state, "config": published.config}, path)
    return path


def origin_of(loaded: LoadedModel) -> dict[str, str]:
    return {"converted_from": loaded.source, "source_sha256": loaded.sha256}


@pytest.mark.parametrize("name", ["model.safetensors", "checkpoints/last_checkpoint.pth"])
def test_a_card_of_a_training_names_its_data(tmp_path: Path, name: str, said: Said) -> None:
    script = str(REPOSITORY / "models/ritm/tiny_synthetic.py")
    words = [script, "--cpu", "--set", "train.max_steps=1"]
    words += [
        "--set",
        "train.batch_size=2",
        "--workers",
        "0",
        "--config-path",
        str(tmp_path / "c.yml"),
    ]
    (tmp_path / "c.yml").write_text(f"EXPS_PATH: {tmp_path}\nWEIGHTS_PATH: {tmp_path}\n")
    assert run_command("train", words) == 0
    text = said(tmp_path / "ritm/tiny_synthetic/000" / name)
    assert row_of(text, "training data").startswith("SyntheticSource, size [192, 192]")
    if name == "model.safetensors":
        assert row_of(text, "written by") == "this package, after 0 epochs, 1 steps"


def test_the_starter_has_a_card() -> None:
    """The page says what a card must, and page and shipped file have the same numbers.

    The prose in the file is that of the day its numbers were written: a corrected comma is no
    reason for another version of a file of megabytes.
    """
    stored = card.read_card(REPOSITORY / "assets/starter.safetensors")
    page = (REPOSITORY / "docs/explanation/starter.md").read_text()
    assert stored["sections"].keys() == pages.sections(page).keys()
    assert pages.BLOCK.search(page)[1] == card.markdown(stored["numbers"])
    needed = {"Data and licenses", "Encoder", "Training", "Results", "Where it fails"}
    assert needed | {"What it must not be used for"} <= set(stored["sections"])
