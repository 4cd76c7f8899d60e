"""The SLURM script under stand-ins of scontrol and srun: it starts the training, and stopped, it
saves and queues again.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from launching import CONFIG, ROOT, SCRIPT, environment, free_port, wait_for

from isegm.training.checkpoint import read_checkpoint

SCONTROL = """#!/bin/bash
if [ "$1" = show ]; then echo 127.0.0.1; else echo "$@" >> "$TOY_EXPERIMENTS/scontrol.txt"; fi
"""
SRUN = """#!/bin/bash
echo "$@" > "$TOY_EXPERIMENTS/srun.txt"
while [[ $1 != torchrun ]]; do shift; done
shift
exec "$PYTHON" -m torch.distributed.run "$@"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_preempted_job_saves_and_queues_again(tmp_path: Path) -> None:
    commands = tmp_path / "commands"
    commands.mkdir()
    for name, text in (("scontrol", SCONTROL), ("srun", SRUN)):
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    job = {
        "SLURM_JOB_ID": "17",
        "SLURM_JOB_NODELIST": "node",
        "SLURM_JOB_NUM_NODES": "1",
        "SLURM_CPUS_PER_TASK": "3",
    }
    job |= {
        "PATH": f"{commands}:{os.environ['PATH']}",
        "PYTHON": sys.executable,
        "PORT": str(free_port()),
    }
    job = environment(tmp_path, **job)
    del job["TORCH_ELASTIC_SHUTDOWN_TIMEOUT"]
    running = subprocess.Popen(
        [
            *("bash", "scripts/slurm/train.sbatch", str(SCRIPT), "--config-path", str(CONFIG)),
            *("--cpu", "--epochs", "10000"),
        ],
        env=job,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    checkpoint = (
        tmp_path
        / "training"
        / "toy_experiment"
        / "000_job17"
        / "checkpoints"
        / "last_checkpoint.pth"
    )
    try:
        wait_for(checkpoint, running)
        running.send_signal(signal.SIGTERM)  # to the script alone, as --signal=B asks for
        said = running.communicate(timeout=600)[1]
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    assert "stopped and saved" in said
    assert read_checkpoint(checkpoint)["progress"]["step"] > 0
    assert (tmp_path / "scontrol.txt").read_text() == "requeue 17\n"
    assert "--cpus-per-task=3" in (tmp_path / "srun.txt").read_text()
