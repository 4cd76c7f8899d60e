"""Processes started here: their exit statuses, and signals at awkward moments."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from isegm.utils import launching
from isegm.utils.processes import local_rank, rank, world_size


def leave(statuses):
    return statuses[rank()]


@pytest.mark.parametrize(("statuses", "status"), [([0, 0], 0), ([0, 2], 2)])
def test_the_exit_status_is_the_first_that_is_not_0(statuses, status):
    assert launching.launch(leave, [statuses], 2) == status


def lose(seconds):
    """Rank 0 loses its peer and crashes; the peer still says what went wrong, and ends later."""
    if rank():
        time.sleep(seconds)
        return 2
    return launching.LOST


@pytest.mark.parametrize("seconds", [0, 0.5])
def test_the_process_that_knows_what_went_wrong_gives_the_status(seconds, monkeypatch):
    monkeypatch.setattr(launching, "LOST_TURNS", 600)  # processes start slowly on a busy machine
    assert launching.launch(lose, [seconds], 2) == 2


def save(folder, seconds):
    """Asked to stop, rank 0 leaves at once; the others need a while longer to save."""
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    (folder / f"ready_{local_rank()}_of_{world_size()}").touch()
    while not stopped:
        time.sleep(0.02)
    if rank():
        time.sleep(seconds)
        (folder / "saved").touch()
    return launching.STOPPED


COMMAND = """
import sys
from pathlib import Path
from test_launching import save
from isegm.utils import launching
launching.GRACE_SECONDS = 0.5  # for processes that did not agree to stop
if __name__ == "__main__":
    sys.exit(launching.launch(save, [Path(sys.argv[1]), 4], 2))
"""


def started(folder):
    (folder / "command.py").write_text(COMMAND)
    search = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    words = [sys.executable, folder / "command.py", folder]
    return subprocess.Popen(words, env=os.environ | {"PYTHONPATH": search}, start_new_session=True)


def wait_for(condition, running):
    deadline = time.monotonic() + 300
    while not condition():
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.001)


def left(running, patience):
    """The processes of a group that are still there; Python's own tracker ends a moment later."""
    deadline, group = time.monotonic() + patience, ["pgrep", "-g", str(running.pid)]
    while (found := subprocess.run(group, check=False, capture_output=True).stdout) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.1)
    return found


def end(running):
    if running.poll() is None:
        os.killpg(running.pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_still_saves_is_waited_for(tmp_path, number):
    """The signal reaches every process, as from a terminal, and the launcher passes it on: one
    stop.
    """
    running = started(tmp_path)
    try:
        wait_for(lambda: len(list(tmp_path.glob("ready_*_of_2"))) == 2, running)
        os.killpg(running.pid, number)
        assert running.wait(timeout=300) == launching.STOPPED
    finally:
        end(running)
    assert (tmp_path / "saved").exists()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_a_signal_while_processes_are_being_started_leaves_none_behind(tmp_path):
    running = started(tmp_path)
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children")

    def one_is_there():
        for number in children.read_text().split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
                if b"--multiprocessing-fork" in Path(f"/proc/{number}/cmdline").read_bytes():
                    return True
        return False

    try:
        wait_for(one_is_there, running)
        running.send_signal(signal.SIGTERM)  # to the launcher alone
        assert running.wait(timeout=300) != 0
        assert not left(running, patience=60)
    finally:
        end(running)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_processes_end_when_their_parent_is_killed(tmp_path):
    """They are asked to stop, as by a signal, and save."""
    running = started(tmp_path)
    try:
        wait_for(lambda: len(list(tmp_path.glob("ready_*_of_2"))) == 2, running)
        running.kill()
        running.wait(timeout=60)
        assert not left(running, patience=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
    assert (tmp_path / "saved").exists()
