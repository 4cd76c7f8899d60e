"""`isegm reproduce` with a zoo of its own: small data sets, a network made here, a local server."""

from __future__ import annotations

import contextlib
import functools
import logging
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import picture, rectangle, write

from isegm.cli import reproducing
from isegm.cli.commands import run_command
from isegm.core.registry import build
from isegm.data import readiness
from isegm.evaluation.ledger import COLUMNS
from isegm.evaluation.records import RecordFile
from isegm.evaluation.results import RunResult
from isegm.methods.ritm import ritm_hrnet
from isegm.originals.ritm import publish
from isegm.utils.files import sha256_of

OBJECTS = {"GrabCut": 3, "Berkeley": 2}
PROTOCOL = """
name: small
version: 3
max_clicks: 3
view: {rule: zoom_in, size: 64}
"""
ZOO = """
projects:
  small:
    method: Small
    paper: A small network
    arxiv: "0000.00000"
    licence: CC0-1.0
    page: http://localhost/page
    bases: [ADDRESS]
    protocol: PROTOCOL
    backbone: HRNet
    trained_on: noise
checkpoints:
  small_net: {project: small, file: small.pth, experiment: models/ritm/tiny_synthetic.py}
  small_lost: {project: small, called: the small one, file: lost.pth, bases: []}
  small_unknown: {project: small, file: small.pth, backbone: other}
datasets:
  GrabCut: {key: GRABCUT_PATH, file: GrabCut.zip, holds: [data_GT]}
  BerkeleyZip: {key: BERKELEY_PATH, file: Berkeley.zip, holds: [images]}
"""
LEDGER = """Small,HRNet,noise,GrabCut,NoC@90,2.75,a paper,
Small,HRNet,noise,GrabCut,NoC@90,9.50,another paper,quoted with another number
Small,HRNet,noise,Berkeley,NoC@90,3.00,a paper,
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a folder on a server; it holds one published file."""
    folder = tmp_path / "server"
    folder.mkdir()
    torch.manual_seed(0)
    described = ritm_hrnet(4, "small", 8)
    published, model = publish(described), build(described)
    state = published.keys.to_published(model.state_dict())
    torch.save({"state_dict": state, "config": published.config}, folder / "small.pth")
    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}/"
        listening.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


def grabcut(root: Path, count: int = OBJECTS["GrabCut"]) -> None:
    for number in range(count):
        write(root / "data_GT" / f"{number}.jpg", picture(seed=number))
        write(root / "boundary_GT" / f"{number}.bmp", rectangle(4, 6, 20, 24, value=255))


def berkeley(root: Path) -> None:
    for number in range(OBJECTS["Berkeley"]):
        write(root / "images" / f"{number}.jpg", picture(seed=number))
        mask = rectangle(4, 6, 20, 24, value=255)
        write(root / "masks" / f"{number}.png", np.repeat(mask[..., None], 3, 2))


@pytest.fixture
def house(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a zoo, a ledger, a protocol, a configuration, and both data sets."""
    (tmp_path / "small.yml").write_text(PROTOCOL)
    zoo = ZOO.replace("ADDRESS", server).replace("PROTOCOL", str(tmp_path / "small.yml"))
    (tmp_path / "zoo.yml").write_text(zoo)
    (tmp_path / "ledger.csv").write_text(",".join(COLUMNS) + "\n" + LEDGER)
    (tmp_path / "config.yml").write_text(
        "EXPS_PATH: runs\nWEIGHTS_PATH: weights\nGRABCUT_PATH: GrabCut\nBERKELEY_PATH: Berkeley\n"
    )
    grabcut(tmp_path / "GrabCut")
    berkeley(tmp_path / "Berkeley")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ISEGM_ZOO", str(tmp_path / "zoo.yml"))
    monkeypatch.setattr(reproducing, "LEDGER", tmp_path / "ledger.csv")
    expected = [replace(whole, parts=parts(whole)) for whole in readiness.CATALOGUE]
    monkeypatch.setattr(readiness, "CATALOGUE", expected)
    return tmp_path


def parts(whole: readiness.DataSet) -> tuple:
    """The parts of a data set, with the counts of the small ones as the literature's."""
    return tuple(replace(part, count=OBJECTS.get(part.name, part.count)) for part in whole.parts)


Called = Callable[..., tuple[int, str]]


@pytest.fixture
def reproduce(house: Path, capsys: pytest.CaptureFixture) -> Called:
    """Call the command; its status and what it prints."""

    def called(*words: str) -> tuple[int, str]:
        status = run_command("reproduce", [*words, "--cpu"])
        return status, capsys.readouterr().out

    return called


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def results(house: Path) -> dict[str, RunResult]:
    """Result files by data set; all are of one checkpoint."""
    (folder,) = (house / "runs/reproduce/small_net").iterdir()
    loaded = map(RunResult.load, folder.glob("*.json"))
    return {run.datasets[0].name: run for run in loaded}


def test_measured_beside_published(reproduce: Called, house: Path) -> None:
    status, text = reproduce("small_net")
    assert status == 0
    assert "A small network (arXiv 0000.00000)" in text
    assert "CC0-1.0" in text
    runs = results(house)
    measured = {name: run.datasets[0].metrics["NoC@90"] for name, run in runs.items()}
    first, second, third = rows(text)
    assert first[:5] == ["GrabCut", "small v3, NoBRS", "NoC@90", "2.75", "a paper"]
    assert second[3:5] == ["9.50", "another paper"]
    assert third[:1] + third[3:5] == ["Berkeley", "3.00", "a paper"]
    assert first[5] == second[5] == f"{measured['GrabCut']:.2f}"
    difference = measured["GrabCut"] - 2.75
    assert first[7] == f"{difference:+.2f}"
    assert second[8] == "no"
    assert "Note on another paper: quoted with another number." in text
    sha256 = sha256_of(house / "server/small.pth")
    data = runs["GrabCut"].datasets[0].fingerprint[:8]
    assert f"checkpoint {sha256[:12]}; GrabCut: 3 objects, data {data}" in text
    report = house / "runs/reproduce/small_net" / sha256[:12] / "report.md"
    assert report.read_text() in text

    status, again = reproduce("small_net")
    assert status == 0
    assert again.count("evaluated already") == 2
    assert rows(again) == rows(text)
    assert "evaluated already" not in reproduce("small_net", "--fresh")[1]


def test_missing_data_are_listed_and_the_rest_is_measured(reproduce: Called, house: Path) -> None:
    (house / "Berkeley").rename(house / "elsewhere")
    status, text = reproduce("small_net")
    assert status == 1
    assert re.search(r"missing +Berkeley .*Berkeley does not exist", text)
    assert "see where to get it: isegm download BerkeleyZip" in text
    assert "Incomplete: Berkeley (missing)." in text
    assert [row[5] == "-" for row in rows(text)] == [False, False, True]
    assert set(results(house)) == {"GrabCut"}
    assert reproduce("small_net", "--datasets", "GrabCut")[0] == 0


def test_wrong_data_are_not_measured(reproduce: Called, house: Path) -> None:
    grabcut(house / "GrabCut", 4)
    status, text = reproduce("small_net")
    assert status == 1
    assert re.search(r"wrong +GrabCut +4 samples, but the literature has 3", text)
    assert "Incomplete: GrabCut (wrong)." in text
    assert set(results(house)) == {"Berkeley"}


def test_a_picture_that_cannot_be_read(reproduce: Called, house: Path) -> None:
    (house / "GrabCut/data_GT/1.jpg").write_bytes(b"no picture")
    status, text = reproduce("small_net", "--datasets", "GrabCut")
    assert status == 1
    assert re.search(r"wrong +GrabCut .*1.jpg", text)


def test_check_evaluates_nothing(reproduce: Called, house: Path) -> None:
    status, text = reproduce("small_net", "--check")
    assert status == 0
    assert "to be downloaded" in text
    assert not (house / "weights").exists()
    assert not (house / "runs").exists()
    (house / "Berkeley").rename(house / "elsewhere")
    assert reproduce("small_net", "--check")[0] == 1
    status, text = reproduce("small_lost", "--check")
    assert status == 1
    assert "the small one" in text


def test_a_checkpoint_that_cannot_be_had(reproduce: Called, house: Path) -> None:
    (house / "server/small.pth").unlink()
    status, text = reproduce("small_net")
    assert status == 1
    assert "missing  small_net: small.pth could not be downloaded" in text
    assert "Incomplete: checkpoint." in text
    assert not rows(text)


def test_an_interrupted_run_continues(
    reproduce: Called,
    house: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    kept = RecordFile.add

    def add_two(file: RecordFile, index: int, outcome: object) -> None:
        if index == 2:
            raise KeyboardInterrupt
        kept(file, index, outcome)

    with monkeypatch.context() as patched:
        patched.setattr(RecordFile, "add", add_two)
        assert reproduce("small_net")[0] == 130
    with seen(caplog) as messages:
        status, text = reproduce("small_net")
    assert status == 0
    assert any("continuing: 2 objects" in message for message in messages())
    assert rows(reproduce("small_net", "--fresh")[1]) == rows(text)


@contextlib.contextmanager
def seen(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    """What is logged meanwhile; the package's logger does not pass it on once it has a handler."""
    log = logging.getLogger("isegm")
    log.addHandler(caplog.handler)
    try:
        yield lambda: [record.getMessage() for record in caplog.records]
    finally:
        log.removeHandler(caplog.handler)


def test_training_it_first(reproduce: Called, house: Path) -> None:
    steps = ("--set", "train.batch_size=2", "--set", "train.workers=0", "--datasets", "Berkeley")
    status, text = reproduce("small_net", "--train", *steps, "--set", "train.max_steps=1")
    assert status == 0
    assert "The network was trained here, with train.batch_size=2, " in text
    model = house / "runs/ritm/tiny_synthetic/000_reproduce/model.safetensors"
    before = sha256_of(model)
    assert results(house)["Berkeley"].checkpoint["sha256"] == before
    assert "small_net_trained_here: protocol small v3" in text

    assert reproduce("small_net", "--train", *steps, "--set", "train.max_steps=2")[0] == 0
    assert not (house / "runs/ritm/tiny_synthetic/001_reproduce").exists(), "it continued"
    assert sha256_of(model) != before
    folders = {folder.name for folder in (house / "runs/reproduce/small_net").iterdir()}
    assert folders == {before[:12], sha256_of(model)[:12]}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["small_nett"], "unknown checkpoint to reproduce 'small_nett'; did you mean small_net"),
        (["GrabCut"], "unknown checkpoint to reproduce 'GrabCut'"),
        (["small_unknown"], "has no number of it; name data sets"),
        (["small_net", "--datasets", "GrabCat"], "data set 'GrabCat'; did you mean GrabCut?"),
        (["small_lost", "--train"], "small_lost has no experiment script"),
        (["small_net", "--set", "train.clip=1"], "--set is for a training; add --train"),
        (["small_net", "--datasets", ","], "--datasets is empty"),
        (["small_net", "--ngpus", "2"], "--ngpus is for a training; add --train"),
    ],
)
def test_mistakes(
    reproduce: Called, words: list[str], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    with seen(caplog) as messages:
        assert reproduce(*words)[0] == 2
    assert message in messages()[-1]


def test_it_runs_in_one_process(
    reproduce: Called, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with seen(caplog) as messages:
        assert reproduce("small_net")[0] == 2
    assert "runs in one process" in messages()[-1]


def test_what_has_no_published_number_can_be_measured(reproduce: Called) -> None:
    status, text = reproduce("small_unknown", "--datasets", "GrabCut")
    assert status == 0
    assert "small_unknown: protocol small v3" in text
    assert "GrabCut: 3 objects" in text
    assert "| model         | protocol |" in text


def test_nothing_is_downloaded_for_nothing(reproduce: Called, house: Path) -> None:
    (house / "GrabCut").rename(house / "elsewhere")
    status, text = reproduce("small_net", "--datasets", "GrabCut")
    assert status == 1
    assert "Incomplete: GrabCut (missing)." in text
    assert not (house / "weights").exists()


def test_the_starter_claims_what_its_card_says(reproduce: Called) -> None:
    status, text = reproduce("starter", "--datasets", "GrabCut")
    assert status == 0
    (row,) = [row for row in rows(text) if row[2] == "NoC@90"]
    assert row[:2] + row[4:5] == ["GrabCut", "starter v2, NoBRS", "its card"]
    assert float(row[3]) < 20 == float(row[5]), "no network finds rectangles in noise"
    assert row[7:] == [f"+{20 - float(row[3]):.2f}", "no"]
