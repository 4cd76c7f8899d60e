"""scripts/benchmark_evaluator.py: chosen variants on a number of objects of each data set."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "benchmark_evaluator.py"


def benchmark(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--checkpoint", "starter", "--cpu", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_chosen_variants_make_the_same_clicks() -> None:
    done = benchmark(
        *("--datasets", "photos", "--objects", "2", "--clicks", "2"),
        *("--turns", "1", "--variants", "sequential,lanes"),
    )
    assert done.returncode == 0, done.stderr
    sequential, default = done.stdout.splitlines()[-2:]
    assert sequential.startswith("| sequential |")
    assert default.startswith("| + passes side by side")
    assert sequential.endswith("2 of 2 objects |")
    assert default.endswith("2 of 2 objects |")


def test_one_number_of_objects_for_each_data_set() -> None:
    done = benchmark("--datasets", "photos", "--objects", "2,3")
    assert done.returncode == 2
    assert "2 numbers for 1 data sets" in done.stderr


def test_unknown_variants_are_named() -> None:
    done = benchmark("--variants", "sequential,faster")
    assert done.returncode == 2
    assert "no faster; there are sequential, memory" in done.stderr
