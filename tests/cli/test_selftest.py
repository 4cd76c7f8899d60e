"""isegm selftest: the CPU form of every group, and what happens to checks that fail, crash, hang or
come too late.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
import torch

from isegm.cli import running
from isegm.cli.commands import run_command
from isegm.core.errors import IsegmError
from isegm.selftest import report
from isegm.selftest.checks import (
    FAILED,
    NOT_RUN,
    OK,
    SKIPPED,
    Check,
    Figures,
    NotHere,
    Outcome,
    Place,
    Wrong,
    checks_for,
    group_names,
)
from isegm.selftest.groups import evaluation, memory, onnx, precision, resume, training
from isegm.selftest.runner import outcome_of, run_all

CPU = Place()


def does(what: str, place: Place) -> Figures:
    """What the checks below do."""
    if what == "wrong":
        raise Wrong("3 is not 4")
    if what == "lacks":
        raise NotHere("no GPU")
    if what == "memory":
        raise torch.OutOfMemoryError("CUDA out of memory")
    if what == "crash":
        os.write(2, b"last words\n")
        os.abort()
    if what == "hang":
        time.sleep(600)
    if what == "breaks":
        raise ZeroDivisionError("division by zero")
    return {"pid": os.getpid()}


def find(names: Sequence[str], place: Place, only: Sequence[str]) -> list[Check]:
    limit = 2.0 if "hang" in names else 100.0
    return [
        Check("made up", f"{i} {name}", partial(does, name), f"mend {name}", limit)
        for i, name in enumerate(names)
    ]


def outcomes_of(*names: str, seconds: float = 500.0, place: Place = CPU) -> list[Outcome]:
    return list(run_all(place, seconds, find=partial(find, names)))


def test_a_failure_ends_nothing_but_itself() -> None:
    names = ("fine", "wrong", "lacks", "memory", "breaks", "crash", "fine")
    outcomes = outcomes_of(*names)
    statuses = [outcome.status for outcome in outcomes]
    assert statuses == [OK, FAILED, SKIPPED, FAILED, FAILED, FAILED, OK]
    first, wrong, lacks, memory_, breaks, crash, last = outcomes
    assert (wrong.reason, wrong.advice) == ("3 is not 4", "mend wrong")
    assert lacks.reason == "no GPU"
    assert "out of memory" in memory_.reason
    assert "free memory" in memory_.advice
    assert "ZeroDivisionError" in breaks.trace
    assert crash.reason == "its process died (SIGABRT)"
    assert "last words" in crash.trace
    assert first.figures["pid"] != os.getpid() != last.figures["pid"]
    assert first.figures["pid"] != last.figures["pid"]  # the process that died was replaced
    assert report.status(outcomes) == 1
    said = "\n".join(report.what_to_do(outcomes))
    assert all(f"What to do: mend {name}" in said for name in ("wrong", "breaks", "crash"))


def test_what_hangs_is_ended_and_what_comes_too_late_is_listed() -> None:
    hanging, after = outcomes_of("hang", "fine")
    assert hanging.status == FAILED
    assert "no answer after" in hanging.reason
    assert after.status == OK
    late = outcomes_of("fine", "fine", seconds=0.0)
    assert [outcome.status for outcome in late] == [NOT_RUN] * 2
    assert "more --minutes" in report.what_to_do(late)[-1]
    assert report.status(late) == 1


def test_the_time_can_be_up_in_the_middle_of_a_check() -> None:
    (outcome,) = outcomes_of("hang", seconds=1.0)
    assert outcome.status == NOT_RUN


def test_every_file_of_the_folder_is_a_group() -> None:
    assert group_names()[0] == "precision"
    assert {check.group for check in checks_for(CPU)} == set(group_names())
    keys = [check.key for check in checks_for(Place("cuda", 2))]
    assert len(keys) == len(set(keys))
    with pytest.raises(IsegmError, match="did you mean precision"):
        checks_for(CPU, ["precison"])


def small(module, *parts: str) -> list:
    """Some checks of a group on the CPU."""
    chosen = [c for c in module.checks(CPU) if any(part in c.name for part in parts)]
    return [pytest.param(check, id="-".join(check.key)) for check in chosen]


CHOSEN = [
    *small(precision, "simpleclick", "click_pyramid"),
    *small(evaluation, "lock-step"),
    *small(resume, "exact"),
    *small(training, "ritm plain", "clip", "fcanet with", "two processes"),
    *small(memory, "ritm"),
]


@pytest.mark.parametrize("check", CHOSEN)
def test_on_this_cpu(check: Check) -> None:
    outcome = outcome_of(check, CPU)
    assert outcome.status == OK, (outcome.reason, outcome.trace)
    assert outcome.figures


def test_onnx_is_checked_or_says_what_is_missing() -> None:
    (check,) = onnx.checks(CPU)
    outcome = outcome_of(check, CPU)
    assert outcome.status in (OK, SKIPPED), (outcome.reason, outcome.trace)
    assert outcome.figures or outcome.reason


def test_a_device_that_computes_wrongly_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One layer whose answer is off by 1 % in half precision fails; that is what is looked for."""
    conv = torch.nn.functional.conv2d

    def off(image, *args, **kwargs):
        answer = conv(image, *args, **kwargs)
        return answer * 1.5 if torch.is_autocast_enabled("cpu") else answer

    monkeypatch.setattr(torch.nn.functional, "conv2d", off)
    monkeypatch.setattr(
        torch.nn.Conv2d,
        "_conv_forward",
        lambda self, x, w, b: off(x, w, b, self.stride, self.padding, self.dilation, self.groups),
    )
    check = next(c for c in precision.checks(CPU) if c.name == "clickseg_baseline fp16")
    outcome = outcome_of(check, CPU)
    assert outcome.status == FAILED
    assert "differs from float32 on the CPU" in outcome.reason


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--minutes", "0"], "expected a number above 0"),
        (["--minutes", "nan"], "expected a number above 0"),
        (["--only", "precison"], "did you mean precision"),
        (["--only", ","], "names no group"),
        (["--gpu"], "torch sees no GPU"),
    ],
)
def test_mistakes_are_answered_in_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(running.log, "handlers", [])  # those made before write to another stderr
    assert run_command("selftest", words) == 2
    assert said in capsys.readouterr().err


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "report.json"
    words = ["--only", "onnx", "--minutes", "0.001", "--save-json", str(path)]
    assert run_command("selftest", words) == 1  # there was no time
    said = capsys.readouterr().out
    assert "not run" in said
    assert "1 not run" in said
    written = json.loads(path.read_text())
    assert [check["status"] for check in written["checks"]] == [NOT_RUN]
    assert written["environment"]["ran on"] == "CPU"
    assert run_command("selftest", ["--list", "--only", "onnx"]) == 0
    assert capsys.readouterr().out == "onnx: starter\n"
    assert run_command("selftest", ["--save-json", str(tmp_path)]) == 2
