"""A training that machines leave and join goes on with as many processes as there are, and learns
the same.
"""

import os
import signal
import subprocess
import sys

import pytest
from launching import (
    CONFIG,
    ROOT,
    SCRIPT,
    assert_close,
    curve,
    environment,
    free_port,
    result,
    train,
    wait_for,
)

WORDS = ["--cpu", "--batch-size", "8", "--micro-batch", "2", "--set", "train.log_every=1"]
# Who is alone waits so long for others; less, and on a busy machine two that start together would
# not meet.
LAST_CALL = "last_call_timeout=15"


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """What one process learns from the same global batches, undisturbed."""
    folder = tmp_path_factory.mktemp("single")
    train(folder, SCRIPT, *WORDS)
    return folder


@pytest.fixture
def host(tmp_path):
    """``host(first, ...)`` starts a launcher of one process, as on a machine of its own. What is
    left at the end is killed.
    """
    endpoint = f"127.0.0.1:{free_port()}"
    started = []

    def start(first, **more):
        meeting = ["--rdzv-backend", "c10d", "--rdzv-endpoint", endpoint, "--rdzv-id", "night"]
        meeting += ["--rdzv-conf", f"is_host={int(first)},{LAST_CALL}"]
        launcher = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            *meeting,
            "--nnodes",
            "1:2",
            "--nproc-per-node",
            "1",
        ]
        words = [
            *launcher,
            "--max-restarts",
            "3",
            str(ROOT / "train.py"),
            str(SCRIPT),
            "--config-path",
            str(CONFIG),
            *WORDS,
            "--exp-name",
            "night",
        ]
        started.append(
            subprocess.Popen(
                [*words, "--resume", "auto"],
                # Sharing its store, torchrun would tell those that join later nothing of the
                # others' address.
                env=environment(tmp_path, TORCH_DISABLE_SHARE_RDZV_TCP_STORE="1", **more),
                cwd=ROOT,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
        return started[-1]

    yield start
    for launcher in started:
        if launcher.poll() is None:
            os.killpg(launcher.pid, signal.SIGKILL)


def check(single, folder, processes):
    expected, found = curve(single), curve(folder, "000_night")
    assert {3, 4} <= set(found)
    assert found == pytest.approx({step: expected[step] for step in found}, rel=1e-5)
    assert_close(result(single)[0], result(folder, "000_night")[0])
    assert result(folder, "000_night")[0]["progress"] == {"epoch": 2, "batch": 0, "step": 4}
    assert len(result(folder, "000_night")[0]["random"]) == processes


def test_a_machine_is_lost(single, host, tmp_path):
    """It dies with its launcher in the second epoch; the other restarts alone, with the same global
    batch.
    """
    stays, dies = host(first=True), host(first=False, TOY_HOST_DIES="1")
    said = stays.communicate(timeout=600)[1]
    assert (stays.returncode, dies.wait()) == (0, -signal.SIGKILL), said
    assert "was written by 2 processes" in said
    check(single, tmp_path, 1)


def test_a_machine_joins(single, host, tmp_path):
    """The first is asked to stop in the second epoch, saves, and goes on together with the
    second.
    """
    alone = host(first=True, TOY_HOLD="1")
    wait_for(tmp_path / "holding.txt", alone)
    joins = host(first=False, TOY_HOLD="1")
    said = [launcher.communicate(timeout=600)[1] for launcher in (alone, joins)]
    assert (alone.returncode, joins.returncode) == (0, 0), said
    assert any("was written by 1 processes" in text for text in said)
    check(single, tmp_path, 2)
