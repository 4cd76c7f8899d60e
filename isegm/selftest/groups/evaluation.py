"""Evaluation of many objects at once, against one object after another."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.profiler import ProfilerActivity, profile

from isegm.data.sources.synthetic import SyntheticEvaluation
from isegm.evaluation.evaluate import evaluate
from isegm.evaluation.lockstep import LockStepSettings
from isegm.evaluation.results import ObjectRecord
from isegm.inference.predictor import Predictor
from isegm.inference.protocol import Protocol, load_protocol
from isegm.inference.speed import for_evaluation
from isegm.methods.checkpoints import STARTER, find_checkpoint
from isegm.originals.loading import load_model
from isegm.selftest.checks import Check, Figures, Place, expect
from isegm.utils.config import load_config
from isegm.utils.device import tf32

RANK = 2
OBJECTS, CLICKS = {"cpu": 2, "cuda": 48}, {"cpu": 4, "cuda": 20}
# On a GPU the algorithm of a convolution depends on the size of the batch.
SAME = {"cpu": 1.0, "cuda": 0.9}
SEQUENTIAL = LockStepSettings(window=1, threads=1, ahead=1, passes=1)


def checks(place: Place) -> list[Check]:
    slow = "report this with the JSON; results do not depend on it"
    return [
        Check("evaluation", "lock-step", lock_step, "evaluate with --cpu", 300),
        Check("evaluation", "float rounding of the device", rounding, slow, 300),
    ]


@dataclass(frozen=True)
class Played:
    """One evaluation: objects, wall seconds, and the share of them that the device worked."""

    objects: Sequence[ObjectRecord]
    seconds: float
    busy: float

    @property
    def clicks(self) -> int:
        return sum(len(record.clicks) for record in self.objects)


def lock_step(place: Place) -> Figures:
    """The same clicks, and how much faster."""
    predictor, protocol = _prepared(place)
    with tf32(False):
        _play(place, predictor, protocol, 1, SEQUENTIAL)  # what is done once is not timed
        alone = _play(place, predictor, protocol, OBJECTS[place.kind], SEQUENTIAL)
        together = _play(place, predictor, protocol, OBJECTS[place.kind], None)
    same = _same(alone.objects, together.objects)
    expect(
        same >= SAME[place.kind],
        f"only {same:.0%} of the objects got the same clicks as one after another, expected at"
        f" least {SAME[place.kind]:.0%}",
    )
    return {
        "objects": len(alone.objects),
        "same clicks": same,
        "ratio": alone.seconds / together.seconds,
        "clicks per second": together.clicks / together.seconds,
        "busy one by one": alone.busy,
        "busy in lock-step": together.busy,
    }


def rounding(place: Place) -> Figures:
    """With torch's defaults, and with exact float32: a GPU rounds convolutions more by default."""
    predictor, protocol = _prepared(place)
    objects = OBJECTS[place.kind]
    with tf32(False):
        exact = _play(place, predictor, protocol, objects, None)
    default = _play(place, predictor, protocol, objects, None)
    means = [played.clicks / len(played.objects) for played in (exact, default)]
    expect(
        abs(means[0] - means[1]) <= 0.05 * means[0],
        f"{means[1]:.2f} clicks per object with torch's defaults, {means[0]:.2f} with exact"
        " float32",
    )
    return {
        "same clicks": _same(exact.objects, default.objects),
        "clicks exact": means[0],
        "clicks default": means[1],
        "ratio": exact.seconds / default.seconds,
    }


def _prepared(place: Place) -> tuple[Predictor, Protocol]:
    loaded = load_model(find_checkpoint(load_config(), STARTER), place.device)
    protocol = load_protocol(loaded.model.protocol).for_dataset("synthetic")
    protocol = protocol.changed(max_clicks=CLICKS[place.kind])
    return protocol.predictor(for_evaluation(loaded.model)), protocol


def _play(
    place: Place,
    predictor: Predictor,
    protocol: Protocol,
    count: int,
    settings: LockStepSettings | None,
) -> Played:
    dataset = SyntheticEvaluation(count)
    if not place.on_gpu:  # the profiler would slow a CPU down
        cores, started, before = torch.get_num_threads(), time.perf_counter(), time.process_time()
        result = evaluate(predictor, dataset, protocol, settings=settings)
        spent = time.perf_counter() - started
        return Played(result.objects, spent, (time.process_time() - before) / spent / cores)
    torch.cuda.synchronize()
    started = time.perf_counter()
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        result = evaluate(predictor, dataset, protocol, settings=settings)
        torch.cuda.synchronize()
        spent = time.perf_counter() - started
    worked = sum(event.self_device_time_total for event in profiler.key_averages())
    return Played(result.objects, spent, worked / 1e6 / spent)


def _same(one: Sequence[ObjectRecord], other: Sequence[ObjectRecord]) -> float:
    """The share of objects with the very same clicks."""
    pairs = list(zip(one, other, strict=True))
    return sum(a.clicks == b.clicks for a, b in pairs) / len(pairs)
