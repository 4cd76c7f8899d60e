"""The table and the JSON of ``isegm selftest``."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch

from isegm.evaluation.results import environment
from isegm.selftest.checks import FAILED, NOT_RUN, OK, SKIPPED, Outcome, Place
from isegm.utils import memory

SCHEMA = 1
WIDTH = 34  # of a check's name


def row(outcome: Outcome) -> str:
    """One line: status, seconds, group and name, and what was measured or is the matter."""
    name = f"{outcome.group}: {outcome.name}"
    said = outcome.reason or "  ".join(f"{k} {shown(v)}" for k, v in outcome.figures.items())
    return f"{outcome.status:8}{outcome.seconds:7.1f} s  {name:{WIDTH}}  {said}".rstrip()


def shown(value: float | int | str) -> str:
    """A measured value, short: two digits of a small one, one decimal of a large one."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.2g}" if abs(value) < 1 else f"{value:.1f}"


def what_to_do(outcomes: Sequence[Outcome]) -> list[str]:
    """A paragraph for each failure, and one for the checks that did not run."""
    lines = []
    for outcome in outcomes:
        if outcome.status == FAILED:
            lines += [f"{outcome.group}: {outcome.name}", f"  {outcome.reason}"]
            lines += [f"  What to do: {outcome.advice}"]
    left = [f"{o.group}: {o.name}" for o in outcomes if o.status == NOT_RUN]
    if left:
        lines += [f"Not run, because the time was up ({len(left)}): {', '.join(left)}"]
        lines += ["  What to do: give more --minutes, or name groups with --only"]
    return lines


def summary(outcomes: Sequence[Outcome]) -> str:
    counted = Counter(outcome.status for outcome in outcomes)
    return ", ".join(f"{counted[s]} {s}" for s in (OK, FAILED, SKIPPED, NOT_RUN) if counted[s])


def status(outcomes: Sequence[Outcome]) -> int:
    """The exit status: 0 if every check ran and none failed; skipped ones do not count."""
    return int(any(outcome.status in (FAILED, NOT_RUN) for outcome in outcomes))


def as_json(place: Place, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Everything, to attach to a bug report."""
    return {
        "schema": SCHEMA,
        "environment": {**environment(), **machine(place)},
        "checks": [dataclasses.asdict(outcome) for outcome in outcomes],
        "summary": dict(Counter(outcome.status for outcome in outcomes)),
    }


def machine(place: Place) -> dict[str, str]:
    """What the checks ran on; ``environment`` names the first GPU even if they ran on the CPU."""
    if not place.on_gpu:
        return {"ran on": "CPU", "memory MiB": str(memory.total(place.device) // 2**20)}
    properties = torch.cuda.get_device_properties(0)
    return {
        "ran on": properties.name,
        "GPUs": str(place.gpus),
        "memory MiB": str(properties.total_memory // 2**20),
        "capability": f"{properties.major}.{properties.minor}",
        "cuda": str(torch.version.cuda),
        "cudnn": str(torch.backends.cudnn.version()),
    }
