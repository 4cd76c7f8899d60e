"""NoC evaluation of one data set, in one or more processes; it can be resumed."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from isegm.core.errors import IsegmError
from isegm.data.evaluation_sets import EvalDataset
from isegm.evaluation.lockstep import Clock, LockStep, LockStepSettings, Observer, Skipped
from isegm.evaluation.records import RecordFile
from isegm.evaluation.results import DatasetResult, ObjectRecord
from isegm.inference.predictor import Predictor
from isegm.inference.protocol import Protocol
from isegm.utils.processes import Process

Outcomes = Iterator[tuple[int, ObjectRecord | Skipped]]
Player = Callable[[Sequence[int], Clock], Outcomes]


@dataclass(frozen=True)
class Run:
    """How a run is recorded and distributed.

    Attributes:
        records: file of the outcomes; objects already in it are not played again.
        process: one of those that share the objects; every process gets the whole result.
        progress: show a progress bar (of this process's share).
    """

    records: RecordFile | None = None
    process: Process = field(default_factory=Process)
    progress: bool = False


def evaluate(
    predictor: Predictor,
    dataset: EvalDataset,
    protocol: Protocol,
    *,
    limit: int | None = None,
    settings: LockStepSettings | None = None,
    observer: Observer | None = None,
    player: Player | None = None,
    run: Run | None = None,
) -> DatasetResult:
    """Play the simulated user on every object of a data set.

    Args:
        protocol: already specialized by ``protocol.for_dataset(dataset.name)``; the predictor must
            follow it, too.
        limit: only this many objects, the first ones.
        settings: of ``LockStep``; by default chosen for the device.
        observer: called with the sample, the session after a click and the IoUs so far, e.g. to
            draw pictures.
        player: replaces ``LockStep``.
        run: how the run is recorded and distributed; by default neither.

    Raises:
        IsegmError: no object could be evaluated, two have the same id, or the records belong to
            another run.
    """
    run = run or Run()
    records, process = run.records, run.process
    _check_ids(dataset)
    count = len(dataset) if limit is None else min(limit, len(dataset))
    fingerprint, clock, started = dataset.fingerprint(), Clock(), time.perf_counter()
    known = records.open(fingerprint) if records else {}
    process.barrier()  # no process writes before all have read
    outcomes = {index: outcome for index, outcome in known.items() if index < count}
    left = [index for index in range(count) if index not in outcomes]
    own = left[process.rank :: process.count]  # splits neighbors, which are often similar, evenly
    lockstep = LockStep(predictor, dataset, protocol, clock, settings, observer)
    played = player(own, clock) if player else lockstep.run(own)
    # Into a file, which cannot be redrawn, a line a minute.
    seconds = 0.1 if sys.stderr.isatty() else 60
    shown = {"desc": dataset.name, "unit": "obj", "mininterval": seconds, "maxinterval": seconds}
    with tqdm(total=len(own), disable=not run.progress, **shown) as bar:
        for index, outcome in played:
            outcomes[index] = outcome
            if records:
                records.add(index, outcome)
            bar.update()
            bar.set_postfix(clicks=f"{_mean_clicks(outcomes):.2f}", refresh=False)
    seconds = {**clock.seconds, "wall": time.perf_counter() - started}
    merged: dict[int, ObjectRecord | Skipped] = {}
    for part in process.gather(outcomes):
        merged |= part
    if records:
        records.close()
    return _result(dataset, fingerprint, merged, protocol, _summed(process, seconds))


def _check_ids(dataset: EvalDataset) -> None:
    """Raise unless ids tell objects apart, as result files must."""
    twice = [id_ for id_, times in Counter(dataset.ids()).items() if times > 1]
    if twice:
        raise IsegmError(
            f"{dataset.name}: {len(twice)} ids stand for several objects, e.g. {twice[0]!r}; give"
            " every object an id of its own, as in 'photo#2'"
        )


def _summed(process: Process, seconds: dict[str, float]) -> dict[str, float]:
    """Seconds summed over the processes; of the wall time, the longest."""
    parts = process.gather(seconds)
    total = {key: sum(part[key] for part in parts) for key in seconds}
    return total | {"wall": max(part["wall"] for part in parts)}


def _result(
    dataset: EvalDataset,
    fingerprint: str,
    outcomes: dict[int, ObjectRecord | Skipped],
    protocol: Protocol,
    seconds: dict[str, float],
) -> DatasetResult:
    ordered = [outcomes[index] for index in sorted(outcomes)]
    objects = tuple(o for o in ordered if isinstance(o, ObjectRecord))
    skipped = tuple((o.id, o.reason) for o in ordered if isinstance(o, Skipped))
    if not objects:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped[:3])
        reasons = reasons or "the data set is empty"
        raise IsegmError(
            f"{dataset.name}: none of {len(ordered)} objects could be evaluated ({reasons})"
        )
    # For objects finished by an interrupted run, only the model time is known.
    seconds = seconds | {"model": sum(sum(o.seconds) for o in objects)}
    read_at = protocol.thresholds(), protocol.max_clicks
    return DatasetResult(dataset.name, fingerprint, objects, *read_at, seconds, skipped)


def _mean_clicks(outcomes: dict[int, ObjectRecord | Skipped]) -> float:
    lengths = [len(o.ious) for o in outcomes.values() if isinstance(o, ObjectRecord)]
    return float(np.mean(lengths)) if lengths else 0.0
