"""train.py in processes of its own, on toy discs (tests/training/toy_experiment.py)."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import torch

from isegm.training.checkpoint import read_checkpoint

ROOT = Path(__file__).parents[1]
SCRIPT = Path(__file__).parent / "training" / "toy_experiment.py"
CONFIG = SCRIPT.with_name("toy_config.yml")


def command(*words, torchrun=0, options=()):
    start = (
        ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(torchrun), *options]
        if torchrun
        else []
    )
    return [
        sys.executable,
        *start,
        str(ROOT / "train.py"),
        *map(str, words),
        "--config-path",
        str(CONFIG),
    ]


def environment(folder, **more):
    clean = {k: v for k, v in os.environ.items() if k not in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}
    patient = {
        "OMP_NUM_THREADS": "1",
        "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": "600",
    }  # torchrun kills after 30 seconds otherwise
    return clean | patient | {"TOY_EXPERIMENTS": str(folder), "PYTHONPATH": str(ROOT)} | more


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def train(folder, *words, torchrun=0, options=(), status=0, **more):
    done = subprocess.run(
        command(*words, torchrun=torchrun, options=options),
        env=environment(folder, **more),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == status, done.stderr
    return done.stderr


def wait_for(path, running):
    """Wait until a process has written a file, however busy the machine is; fail if it ends
    before.
    """
    deadline = time.monotonic() + 600
    while not path.exists():
        assert running.poll() is None, running.communicate()[1]
        assert time.monotonic() < deadline, f"{path} does not come"
        time.sleep(0.05)


def result(folder, run="000"):
    path = folder / "training" / "toy_experiment" / run
    entries = [
        json.loads(line) for line in (path / "logs" / "metrics.jsonl").read_text().splitlines()
    ]
    return read_checkpoint(path / "checkpoints" / "last_checkpoint.pth"), entries


def curve(folder, run="000"):
    """The loss that was logged at every step."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "training" / "toy_experiment" / run / "logs"))
    events.Reload()
    return {event.step: event.value for event in events.Scalars("train/loss")}


def asked(folder, rank):
    return [
        tuple(map(int, line.split()))
        for line in (folder / f"asked_{rank}.txt").read_text().splitlines()
    ]


def assert_close(expected, found):
    for name, value in expected["model"].items():
        assert torch.allclose(found["model"][name], value, atol=1e-5), name
