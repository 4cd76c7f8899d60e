"""The end of a command: one line for what a user can mend, and Ctrl-C once and twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from isegm.cli.commands import parser_of
from isegm.cli.evaluate import evaluated
from isegm.core.errors import IsegmError
from isegm.utils.processes import Process

WAITING = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from isegm.cli.running import run, say

def main():
    with ThreadPoolExecutor(1) as pool:
        pool.submit(time.sleep, 300)
        say("ready")
        while True:
            time.sleep(0.1)

sys.exit(run(main))
"""


def python(code: str, **options: object) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code], text=True, **options)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_a_second_interrupt_ends_at_once_without_a_traceback() -> None:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with python(WAITING, **pipes, start_new_session=True) as running:
        assert running.stdout.readline() == "ready\n"
        running.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):  # it closes its threads first
            running.wait(timeout=1)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=30) == 130
        assert running.stderr.read() == "interrupted\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_output_is_one_line() -> None:
    code = "import sys; from isegm.cli.running import run, say; sys.exit(run(lambda: say('a')))"
    with Path("/dev/full").open("w") as full:
        running = python(code, stdout=full, stderr=subprocess.PIPE)
        said = running.communicate(timeout=120)[1]
    assert said.startswith("error: cannot write the output: No space left on device")
    assert "Traceback" not in said


def test_a_reader_that_has_enough_ends_a_command_quietly() -> None:
    code = """
import os, sys
from isegm.cli.running import run, say
sys.exit(run(lambda: [say("a" * 100) for _ in range(10_000)] and 0))
"""
    running = python(code, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    running.stdout.readline()
    running.stdout.close()
    assert running.wait(timeout=120) == 1
    assert running.stderr.read() == ""


def test_outputs_are_checked_before_anything_is_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("isegm.cli.evaluate.opened_model", pytest.fail)
    words = ["NoBRS", "--datasets", "synthetic", "--cpu", "--save-json", str(tmp_path)]
    with pytest.raises(IsegmError, match="it is a folder; expected the name of a file"):
        evaluated(parser_of("evaluate").parse_args(words), Process())
