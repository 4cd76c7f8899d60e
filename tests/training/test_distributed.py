"""Accumulated gradients, several machines, elastic restarts: all learn what one process learns from
the same global batches.
"""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from launching import (
    CONFIG,
    ROOT,
    SCRIPT,
    asked,
    assert_close,
    command,
    curve,
    environment,
    free_port,
    result,
    train,
    wait_for,
)

from isegm.core.errors import IsegmError
from isegm.core.registry import build, spec
from isegm.methods import ritm
from isegm.originals.loading import load_model
from isegm.training.batches import GlobalBatches, part_size
from isegm.training.checkpoint import read_checkpoint
from isegm.training.experiment import Training
from isegm.training.learner import Learner, split
from isegm.training.stopping import Stopped, StopRequest
from isegm.training.users.iterative import Iterative
from isegm.training.validation import Validation
from isegm.utils.processes import Process

WORDS = ["--batch-size", "8", "--set", "train.log_every=1"]


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    folder = tmp_path_factory.mktemp("single")
    train(folder, SCRIPT, "--cpu", *WORDS)
    return folder


@pytest.mark.parametrize("config", [{}, {"clip": 0.1}, {"amp": "bf16"}, {"ema": 0.9}], ids=str)
def test_micro_batches_add_up(trainer_of, config):
    """In this process, with every switch that touches gradients; bf16 rounds differently."""
    states = []
    for micro in (None, 1):
        path = trainer_of(
            epochs=1,
            micro_batch=micro,
            model={"dropout": 0.0},
            user=spec(Iterative, max_rounds=1),
            **config,
        ).fit()
        states.append(load_model(path / "model.safetensors").model.state_dict())
    tolerance = 2e-3 if "amp" in config else 1e-5
    for name, value in states[0].items():
        assert torch.allclose(value, states[1][name], atol=tolerance), name


def test_a_run_goes_on_with_other_micro_batches(trainer_of):
    whole = trainer_of(model={"dropout": 0.0}).fit()
    parts = trainer_of(model={"dropout": 0.0}, max_steps=3).fit()
    trainer_of(model={"dropout": 0.0}, micro_batch=2, run={"resume": str(parts)}).fit()
    states = [load_model(path / "model.safetensors").model.state_dict() for path in (whole, parts)]
    for name, value in states[0].items():
        assert torch.allclose(value, states[1][name], atol=1e-5), name


def test_micro_batches_are_equal():
    assert [part_size(12, micro) for micro in (None, 3, 6, 12, 99)] == [12, 3, 6, 12, 12]
    with pytest.raises(IsegmError, match="--micro-batch 4"):
        part_size(12, 5)
    batch = {"image": torch.arange(6.0), "seed": torch.arange(6)}
    assert [part["seed"].tolist() for part in split(batch, 2)] == [[0, 1], [2, 3], [4, 5]]


def test_no_sample_is_seen_twice():
    """Over an epoch the processes share out the positions: none on two of them, none twice,
    whatever their number.
    """
    for count in (1, 2, 4):
        seen = [
            key
            for rank in range(count)
            for keys in GlobalBatches(24, 8, rank, count)
            for key in keys
        ]
        assert sorted(seen) == [(0, position) for position in range(24)]


def test_two_machines_equal_one_process(single, tmp_path):
    """Two launchers of one process each, as on two hosts, with accumulated gradients: the same
    curve, different samples.
    """
    hosts = [
        "--nnodes",
        "2",
        "--nproc-per-node",
        "1",
        "--master-addr",
        "127.0.0.1",
        "--master-port",
        str(free_port()),
    ]
    launcher = [sys.executable, "-m", "torch.distributed.run", *hosts]
    words = [
        str(ROOT / "train.py"),
        str(SCRIPT),
        "--config-path",
        str(CONFIG),
        "--cpu",
        *WORDS,
        "--micro-batch",
        "2",
    ]
    start = {"env": environment(tmp_path), "cwd": ROOT, "stderr": subprocess.PIPE, "text": True}
    started = [subprocess.Popen([*launcher, "--node-rank", rank, *words], **start) for rank in "01"]
    said = [process.communicate(timeout=600)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    expected = curve(single)
    assert len(expected) == 4
    assert curve(tmp_path) == pytest.approx(expected, rel=1e-5)
    assert_close(result(single)[0], result(tmp_path)[0])
    halves = [asked(tmp_path, rank) for rank in (0, 1)]
    assert not set(halves[0]) & set(halves[1])
    assert sorted(halves[0] + halves[1]) == sorted(asked(single, 0))


def test_an_elastic_restart_resumes(single, tmp_path):
    """A process is killed in the second epoch; torchrun starts all again, and they go on from the
    first.
    """
    words = [SCRIPT, "--cpu", "--exp-name", "night", "--resume", "auto", *WORDS]
    said = train(tmp_path, *words, torchrun=2, options=["--max-restarts", "1"], TOY_DIE="1 1 12")
    assert "resuming" in said
    assert result(tmp_path, "000_night")[0]["progress"] == {"epoch": 2, "batch": 0, "step": 4}
    assert_close(result(single)[0], result(tmp_path, "000_night")[0])


def test_torchrun_passes_sigterm_on_and_the_state_is_saved(tmp_path):
    """As a batch system does it: the launcher gets the signal."""
    words = command(SCRIPT, "--cpu", "--epochs", 10_000, "--workers", 1, torchrun=2)
    running = subprocess.Popen(
        words,
        env=environment(tmp_path),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    checkpoint = (
        tmp_path / "training" / "toy_experiment" / "000" / "checkpoints" / "last_checkpoint.pth"
    )
    try:
        wait_for(checkpoint, running)
        running.send_signal(signal.SIGTERM)
        said = running.communicate(timeout=600)[1]
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    assert "stopped and saved" in said
    assert read_checkpoint(checkpoint)["progress"]["batch"] in range(4)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_stop_of_one_process_in_a_validation_stops_all(single, tmp_path, rank):
    """They agree, so nobody is left waiting for a process that is gone; the last of the 2 batches
    has nothing for process 1.
    """
    words = [SCRIPT, "--cpu", "--ngpus", 2, "--exp-name", "night", "--resume", "auto", *WORDS]
    said = train(tmp_path, *words, status=130, TOY_STOP=str(rank))
    assert "the validation is repeated" in said
    assert "Traceback" not in said
    train(tmp_path, *words)
    assert_close(result(single)[0], result(tmp_path, "000_night")[0])
    assert [entry["epoch"] for entry in result(tmp_path, "000_night")[1]] == [1, 2]


@pytest.mark.parametrize("asked", [False, True])
def test_a_validation_that_process_0_was_asked_to_stop_ends_on_all(asked):
    """On the others: they get nothing from process 0, and end; if only they were asked, they end
    with the next step.
    """
    waiting = SimpleNamespace(broadcast_from_rank0=lambda make: None if asked else {"NoC": 2.0})
    trainer = SimpleNamespace(data=SimpleNamespace(val=None), validate=lambda model, epoch: {})
    validation = Validation(trainer, None, waiting, StopRequest(made=not asked))
    if asked:
        with pytest.raises(Stopped):
            validation.values(ritm.tiny(), 1)
    else:
        assert validation.values(ritm.tiny(), 1) == {"NoC": 2.0}


def test_a_step_asks_the_device_for_nothing():
    """Every number that Python reads from a tensor would make it wait for a GPU; a step without
    corrections reads none.
    """
    from torch.utils._python_dispatch import TorchDispatchMode

    asked_for = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func._overloadpacket in (
                torch.ops.aten._local_scalar_dense,
                torch.ops.aten.nonzero,
                torch.ops.aten.is_nonzero,
            ):
                asked_for.append(args[0].data_ptr())
            return func(*args, **(kwargs or {}))

    config = Training(
        batch_size=4, micro_batch=2, clip=1.0, ema=0.9, channels_last=True, amp="bf16"
    )
    parts = (build(part) for part in (config.optimizer, config.schedule))
    learner = Learner(ritm.tiny(), config, *parts, Iterative(), Process())
    batch = {
        "image": torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8),
        "target": torch.zeros(4, 1, 64, 64),
        "yx": torch.full((4, 2, 2), 20.0, dtype=torch.float64),
        "label": torch.tensor([[1, 0]] * 4),
        "seed": torch.arange(4),
    }
    learner.learn(batch, rounds=0)
    learner.rounds(batch)
    with Watch():
        learner.learn(batch, rounds=0)
    learner.close()
    counters = {
        moments["step"].data_ptr() for moments in learner.state.optimizer.state.values()
    }  # always on the CPU
    assert counters
    assert set(asked_for) <= counters
