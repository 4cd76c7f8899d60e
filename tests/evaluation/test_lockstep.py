"""Lock-step evaluation against the sequential yardstick, and records that survive a kill."""

import json
import os
import socket
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.multiprocessing
from painted import Listed, Painted, painted
from probe import ProbeNet, probe_gt, probe_image

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.rounds import Prediction, Round
from isegm.core.samples import Sample
from isegm.evaluation.evaluate import Run, evaluate
from isegm.evaluation.lockstep import LockStepSettings, Skipped
from isegm.evaluation.records import RecordFile
from isegm.evaluation.results import ObjectRecord
from isegm.evaluation.users.centre import next_click
from isegm.inference.predictor import Predictor
from isegm.inference.protocol import Protocol, load_protocol
from isegm.inference.speed import for_evaluation
from isegm.inference.views.whole_image import WholeImage
from isegm.methods.base import ClickModel
from isegm.methods.ritm import tiny
from isegm.reference.evaluation_loop import play_sequentially, whole_image_click
from isegm.reference.twin import slow_twin
from isegm.utils.processes import joined

PROTOCOL = load_protocol("ritm").changed(max_clicks=5)
IDENTITY = {"protocol": "ritm v1", "checkpoint": "ab" * 32}


def samples(count: int = 6) -> list[Sample]:
    shapes = [(200, 320), (240, 320), (240, 300)]
    made = []
    for i in range(count):
        part = np.s_[: shapes[i % 3][0], : shapes[i % 3][1]]
        made.append(
            Sample(probe_image()[part].copy(), probe_gt(i % 2 == 0)[part].copy(), f"sample{i}")
        )
    return made


@pytest.mark.parametrize(("window", "passes"), [(1, 1), (4, 1), (99, 1), (4, 2), (99, 3)])
def test_lock_step_gives_the_clicks_of_the_sequential_loop(window: int, passes: int) -> None:
    torch.manual_seed(0)
    model, dataset = tiny().eval(), Listed(samples())
    slow = PROTOCOL.predictor(slow_twin(model))
    expected = evaluate(
        slow, dataset, PROTOCOL, player=partial(play_sequentially, slow, dataset, PROTOCOL)
    ).objects
    fast = PROTOCOL.predictor(for_evaluation(model), max_pixels=4 * 400 * 400)
    found = evaluate(
        fast, dataset, PROTOCOL, settings=LockStepSettings(window=window, passes=passes)
    ).objects
    for a, b in zip(expected, found, strict=True):
        assert a.clicks == b.clicks
        assert a.ious == pytest.approx(b.ious, abs=1e-4)


@pytest.mark.parametrize("seed", range(20))
def test_the_yardsticks_user_is_the_same_user(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gt = rng.integers(-1, 2, (30, 40)).astype(np.int8)
    gt[5:20, 5:25] = 1
    mask = np.zeros_like(gt, bool)
    mask[10:25, 15:35] = True
    clicked: list[Click] = []
    for _ in range(5):
        click = whole_image_click(mask, gt, clicked)
        assert click == next_click(mask, gt, clicked)
        clicked.append(click)


class Counting(ClickModel):
    """Remembers how many views each pass had."""

    def __init__(self, room: int | None = None) -> None:
        super().__init__()
        self.probe, self.room = ProbeNet(True), room
        self.passes: list[int] = []

    def forward(self, round_: Round) -> Prediction:
        if self.room is not None and len(round_.image) > self.room:
            raise torch.OutOfMemoryError("no memory left")
        self.passes.append(len(round_.image))
        return self.probe(round_)


def test_views_of_equal_size_share_passes() -> None:
    model = Counting()
    predictor = Predictor(model, WholeImage(), max_pixels=10**9)
    one_click = Protocol("test", 1, view={"rule": "whole_image"}, max_clicks=1)
    evaluate(predictor, Listed(samples(9)), one_click, settings=LockStepSettings(window=99))
    assert model.passes == [3, 3, 3]


def test_passes_run_side_by_side_and_leave_the_number_of_threads_as_it_was() -> None:
    class Meeting(ClickModel):
        """Answers only once two passes have come together."""

        def __init__(self) -> None:
            super().__init__()
            self.probe, self.barrier = ProbeNet(True), threading.Barrier(2, timeout=30)

        def forward(self, round_: Round) -> Prediction:
            self.barrier.wait()
            return self.probe(round_)

    torch.set_num_threads(2)
    try:
        predictor = Predictor(Meeting(), WholeImage())
        one_click = Protocol("test", 1, view={"rule": "whole_image"}, max_clicks=1)
        result = evaluate(
            predictor, Listed(samples(4)), one_click, settings=LockStepSettings(passes=2)
        )
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert len(result.objects) == 4


def test_without_memory_a_pass_is_split() -> None:
    model = Counting(room=2)
    predictor = Predictor(model, WholeImage(), max_pixels=10**9)
    one_click = Protocol("test", 1, view={"rule": "whole_image"}, max_clicks=1)
    result = evaluate(
        predictor, Listed(samples(9)), one_click, settings=LockStepSettings(window=99)
    )
    assert len(result.objects) == 9
    assert sum(model.passes) == 9
    with pytest.raises(IsegmError, match="no memory for a single view"):
        evaluate(Predictor(Counting(room=0), WholeImage()), Listed(samples(1)), one_click)


class Interrupting(Listed):
    """Ends the run at a certain sample, as Ctrl-C would."""

    def __init__(self, made: list[Sample], at: int) -> None:
        super().__init__(made)
        self.at = at

    def __getitem__(self, index: int) -> Sample:
        if index == self.at:
            raise KeyboardInterrupt
        return super().__getitem__(index)


def test_an_interrupted_run_continues_where_it_stopped(tmp_path: Path) -> None:
    made = [painted(i) for i in range(6)]
    protocol = Protocol("test", 1, view={"rule": "whole_image"}, max_clicks=3)
    predictor = Predictor(Painted(wait=1), WholeImage())
    settings = LockStepSettings(window=1, threads=1, ahead=0)
    with pytest.raises(KeyboardInterrupt):
        evaluate(
            predictor,
            Interrupting(made, 4),
            protocol,
            settings=settings,
            run=Run(RecordFile(tmp_path / "r", IDENTITY)),
        )
    lines = (tmp_path / "r.0.jsonl").read_text().splitlines()
    assert [json.loads(line)["index"] for line in lines[1:]] == [0, 1, 2, 3]
    with (tmp_path / "r.0.jsonl").open("a") as file:
        file.write('{"index": 4, "id": "sam')  # torn by a kill

    class Rest(Listed):
        def __getitem__(self, index: int) -> Sample:
            assert index >= 4, "this object was already played"
            return super().__getitem__(index)

    result = evaluate(
        predictor,
        Rest(made),
        protocol,
        settings=settings,
        run=Run(RecordFile(tmp_path / "r", IDENTITY)),
    )
    whole = evaluate(predictor, Listed(made), protocol)
    assert [(o.id, o.clicks, o.ious) for o in result.objects] == [
        (o.id, o.clicks, o.ious) for o in whole.objects
    ]
    again = RecordFile(tmp_path / "r", IDENTITY)
    assert len(again.open("f" * 64)) == 6
    again.remove()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("change", [{"protocol": "ritm v2"}, {"checkpoint": "cd" * 32}])
def test_records_of_another_run_are_refused(tmp_path: Path, change: dict[str, str]) -> None:
    records = RecordFile(tmp_path / "r", IDENTITY)
    records.open("f" * 64)
    records.add(0, Skipped("a", "unreadable"))
    records.add(1, ObjectRecord("b", ((1, 2, 1),), (0.5,), (0.1,)))
    records.close()
    assert RecordFile(tmp_path / "r", IDENTITY).open("f" * 64)[1].ious == (0.5,)
    with pytest.raises(IsegmError, match=f"differs in {next(iter(change))} "):
        RecordFile(tmp_path / "r", IDENTITY | change).open("f" * 64)
    with pytest.raises(IsegmError, match="differs in data "):
        RecordFile(tmp_path / "r", IDENTITY).open("0" * 64)


GOOD = {"index": 0, "id": "b", "clicks": [[1, 2, 1]], "ious": [0.5], "seconds": [0.1]}


def write_records(path: Path, first: bytes) -> None:
    path.write_bytes(first + b"\n" + json.dumps(GOOD).encode() + b"\n")


@pytest.mark.parametrize(
    "first", [b'{"identity": {"prot', b"", b"null", b"\xff\xfe", json.dumps(GOOD).encode()]
)
def test_records_without_a_readable_identity_are_not_used(
    tmp_path: Path, first: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """They may belong to another checkpoint."""
    path = tmp_path / "r.0.jsonl"
    write_records(path, first)
    records = RecordFile(tmp_path / "r", IDENTITY)
    assert records.open("f" * 64) == {}
    assert "does not say to which run it belongs" in caplog.text
    records.add(1, ObjectRecord("c", ((1, 2, 1),), (0.5,), (0.1,)))
    records.close()
    assert list(RecordFile(tmp_path / "r", IDENTITY).open("f" * 64)) == [1]
    with pytest.raises(IsegmError, match="differs in checkpoint "):
        RecordFile(tmp_path / "r", IDENTITY | {"checkpoint": "cd" * 32}).open("f" * 64)


@pytest.mark.parametrize(
    "change",
    [{"index": None}, {"index": "0"}, {"ious": [float("nan")]}, {"ious": [0.1, 0.2]}, {"id": 3}],
)
def test_a_damaged_record_is_played_again(tmp_path: Path, change: dict) -> None:
    records = RecordFile(tmp_path / "r", IDENTITY)
    records.open("f" * 64)
    records.add(1, ObjectRecord("c", ((1, 2, 1),), (0.5,), (0.1,)))
    records.close()
    with (tmp_path / "r.0.jsonl").open("ab") as file:
        for line in (json.dumps(GOOD | change).encode(), b"null", b"\xff", b"[" * 50_000):
            file.write(line + b"\n")
        file.write(b'{"index": 7, "skipped": ["a", "unreadable"]}\n{"index": 8, "skipped": 3}\n')
    assert list(RecordFile(tmp_path / "r", IDENTITY).open("f" * 64)) == [1, 7]


def test_a_set_with_an_id_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = Listed([painted(1), painted(1)])
    monkeypatch.setattr(twice, "ids", lambda: ["sample1", "sample1"])
    protocol = Protocol("test", 1, view={"rule": "whole_image"})
    with pytest.raises(IsegmError, match=r"1 ids stand for several objects, e\.g\. 'sample1'"):
        evaluate(Predictor(Painted(wait=1), WholeImage()), twice, protocol)


def _part(rank: int, port: int, folder: str) -> None:
    os.environ.update(
        RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    torch.set_num_threads(1)
    with joined(torch.device("cpu")) as process:
        protocol = Protocol("test", 1, view={"rule": "whole_image"}, max_clicks=4)
        predictor = Predictor(Painted(wait=2), WholeImage())
        made = Listed([painted(i) for i in range(5)])
        records = RecordFile(Path(folder) / "r", IDENTITY, process.rank)
        result = evaluate(predictor, made, protocol, run=Run(records, process))
        Path(folder, f"out{rank}.json").write_text(
            json.dumps([o.as_json()["clicks"] for o in result.objects])
        )


def test_two_processes_give_the_table_of_one(tmp_path: Path) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    torch.multiprocessing.spawn(_part, (port, str(tmp_path)), nprocs=2)
    protocol = Protocol("test", 1, view={"rule": "whole_image"}, max_clicks=4)
    alone = evaluate(
        Predictor(Painted(wait=2), WholeImage()), Listed([painted(i) for i in range(5)]), protocol
    )
    expected = [o.as_json()["clicks"] for o in alone.objects]
    assert [json.loads((tmp_path / f"out{rank}.json").read_text()) for rank in (0, 1)] == [
        expected,
        expected,
    ]
    assert len(list(tmp_path.glob("r.*.jsonl"))) == 2
    lines = [(tmp_path / f"r.{rank}.jsonl").read_text().splitlines()[1:] for rank in (0, 1)]
    assert [sorted(json.loads(line)["index"] for line in part) for part in lines] == [
        [0, 2, 4],
        [1, 3],
    ]


def test_folding_changes_nothing_but_rounding() -> None:
    torch.manual_seed(0)
    model = tiny().eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    folded = for_evaluation(model)
    norms = [m for m in folded.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    before = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert len(norms) < 0.1 * len(before)
    session = Predictor(model, WholeImage()).start(probe_image())
    click = Click(133, 186, True)
    plain = Predictor(model, WholeImage()).click(session, click).prob
    torch.testing.assert_close(
        Predictor(folded, WholeImage()).click(session, click).prob, plain, atol=1e-5, rtol=1e-4
    )
