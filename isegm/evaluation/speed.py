"""The cost of a model: operations, milliseconds per click, memory; ``HOW`` explains the figures."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from isegm.core.clicks import Click
from isegm.core.rounds import Prediction, Round, Session
from isegm.data.evaluation_sets import EvalDataset
from isegm.data.sources.synthetic import scene
from isegm.evaluation.lockstep import Clock, LockStep, LockStepSettings
from isegm.evaluation.results import ObjectRecord
from isegm.evaluation.users.centre import next_click
from isegm.inference.predictor import Predictor
from isegm.inference.protocol import Protocol
from isegm.methods.base import ClickModel

HOW = {
    "parameters": "all parameters of the network",
    "gflops": (
        "floating-point operations of one click by torch's counter (a multiply-add counts "
        "twice), mirror image included"
    ),
    "ms": (
        "time of one click in the predictor, view preparation included, on an idle device; "
        "p50 and p95 over the repeats"
    ),
    "first_click": "on a whole image of the given size",
    "later_click": "on the crop that the protocol makes around a known object in that image",
    "evaluations": "passes of a test-time optimisation per click, where there is one",
    "second_look": (
        "the part of a click that a method spends on a second network, where it has one "
        "(FocalClick)"
    ),
    "simulation_ms": "the simulated user's next click and the IoU on that image, one thread",
    "objects_per_second": "whole evaluation on synthetic objects: decoding, simulation and network",
    "evaluation": (
        "the same per click; of an optimisation also how often it evaluates, where clicks "
        "contradict answers"
    ),
    "grid": (
        "seconds to answer a grid of single-click prompts on one image, each in a session of its"
        " own, encoding included (SegNext's SAT latency has 16 x 16)"
    ),
    "peak_memory_mb": (
        "CPU: largest resident size of this process; GPU: largest memory allocated by torch"
    ),
}


def measure(
    model: ClickModel,
    protocol: Protocol,
    dataset: EvalDataset,
    *,
    size: tuple[int, int],
    repeats: int,
    clicks_limit: int | None = None,
) -> dict[str, Any]:
    """Measure one model under one protocol.

    Args:
        model: with or without ``for_evaluation`` applied.
        dataset: for the whole evaluation.
        size: (rows, columns) of the image for timing single clicks.
        repeats: timed clicks of each kind, after an untimed one.
    """
    predictor = protocol.predictor(model, clicks_limit=clicks_limit)
    image, gt = _image_with_object(size)
    first = next_click(np.zeros(gt.shape, bool), gt)
    start = predictor.start(image)
    known = replace(predictor.click(start, first), prob=_as_prob(gt, predictor.device))
    # A negative click away from the border changes neither the object nor the crop.
    second = next_click(np.ones(gt.shape, bool), gt)
    figures: dict[str, Any] = {"parameters": sum(p.numel() for p in model.parameters())}
    # Of a model that keeps encodings of images, every first click must be on another image.
    starts = [predictor.start(_marked(image, i)) for i in range(repeats + 1)]
    figures["first_click"] = _clicks(predictor, starts, first)
    # Like most, every later click is in a session that has kept its view for one click.
    held = replace(predictor.click(known, second), prob=known.prob)
    figures["later_click"] = _clicks(
        predictor, [held] * (repeats + 1), Click(second.y, second.x + 1, False)
    )
    figures["simulation_ms"] = _milliseconds(
        lambda: next_click(np.zeros(gt.shape, bool), gt), 5 * repeats
    )["ms_p50"]
    clock = Clock()
    started = time.perf_counter()
    watch = _Watched(predictor)
    lockstep = LockStep(
        watch, dataset, protocol, clock, LockStepSettings.suited_to(predictor.device)
    )
    played = [outcome for _, outcome in lockstep.run(range(len(dataset)))]
    seconds = time.perf_counter() - started
    figures["objects_per_second"] = len(played) / seconds
    clicks = sum(len(o.ious) for o in played if isinstance(o, ObjectRecord))
    figures["evaluation"] = {"clicks": clicks, "ms_per_click": 1000 * seconds / max(1, clicks)}
    if watch.evaluations:
        figures["evaluation"]["evaluations"] = float(np.mean(watch.evaluations))
    figures["peak_memory_mb"] = _peak_memory(predictor.device)
    return figures


def grid_latency(predictor: Predictor, size: tuple[int, int], side: int) -> dict[str, float]:
    """How long a grid of ``side`` x ``side`` prompts takes: clicks in the middle of equal cells,
    each the first of its session, all on one image of ``size`` (rows, columns).

    Source of the figure: SegNext (CVPR 2024), "SAT latency", 16 x 16. Where its points lie in the
    cells and the size of its image are not known, so compare only figures of this function.

    Returns:
        ``side``, ``seconds`` in all, ``ms_per_prompt``.
    """
    image, _ = _image_with_object(size)
    rows, columns = (((np.arange(side) + 0.5) * n / side).astype(int).tolist() for n in size)
    clicks = [Click(y, x, True) for y in rows for x in columns]
    predictor.click(predictor.start(_marked(image, 0)), clicks[0])  # what is done once is not timed
    started = time.perf_counter()
    session = predictor.start(image)
    answers = predictor.click_many([session] * len(clicks), clicks)
    sum(answer.prob.sum().item() for answer in answers)  # a GPU has finished then
    seconds = time.perf_counter() - started
    return {"side": side, "seconds": seconds, "ms_per_prompt": 1000 * seconds / len(clicks)}


def _clicks(predictor: Predictor, sessions: Sequence[Session], click: Click) -> dict[str, Any]:
    """Time a click in each session but the first, which warms up and counts operations."""
    first, *others = sessions
    untimed, watch, turn = _Watched(predictor, count=True), _Watched(predictor), iter(others)
    with FlopCounterMode(display=False) as counter:
        untimed.click(first, click)
    timed = _milliseconds(lambda: watch.click(next(turn), click).prob.sum().item(), len(others))
    figures: dict[str, Any] = {"gflops": counter.get_total_flops() / 1e9, **timed}
    if watch.evaluations:
        figures["evaluations"] = float(np.mean(watch.evaluations))
    if untimed.flops:
        figures["second_look"] = {"gflops": untimed.flops / 1e9, **_percentiles(watch.spent)}
    return figures


class _Watched(Predictor):
    """A predictor that records evaluations of an optimisation, and operations and time of second
    looks.

    Args:
        watched: the predictor to imitate.
        count: count the operations of second looks, which takes time.
    """

    def __init__(self, watched: Predictor, count: bool = False) -> None:
        settings = {
            name: getattr(watched, name)
            for name in ("mirror", "finish", "clicks_limit", "max_pixels", "amp")
        }
        super().__init__(watched.model, watched.rule, **settings)
        self.count, self.flops = count, 0
        self.evaluations: list[float] = []
        self.spent: list[float] = []

    def infer(self, round_: Round) -> Prediction:
        pred = super().infer(round_)
        if "evaluations" in pred.aux:
            self.evaluations.append(float(pred.aux["evaluations"].float().mean()))
        return pred

    def refine(
        self, before: Sequence[Session], after: Sequence[Session], pred: Prediction
    ) -> list[Session]:
        started = time.perf_counter()
        with FlopCounterMode(display=False) if self.count else contextlib.nullcontext() as counter:
            sessions = super().refine(before, after, pred)
        self.flops += counter.get_total_flops() if counter else 0
        sessions[0].prob.sum().item()  # a GPU has finished then
        self.spent.append(1000 * (time.perf_counter() - started))
        return sessions


def _milliseconds(run: Callable[[], object], repeats: int) -> dict[str, float]:
    spent = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        spent.append(1000 * (time.perf_counter() - started))
    return _percentiles(spent)


def _percentiles(spent: Sequence[float]) -> dict[str, float]:
    return {"ms_p50": float(np.percentile(spent, 50)), "ms_p95": float(np.percentile(spent, 95))}


def _marked(image: np.ndarray, number: int) -> np.ndarray:
    """A copy that differs from the image, and from those of other numbers, in one pixel."""
    marked = image.copy()
    marked[0, 0] = (int(image[0, 0, 0]) + 1 + number) % 256, number // 255 % 256, number % 251
    return marked


def _image_with_object(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A synthetic scene and one of its objects, the same at every call."""
    image, labels = scene(np.random.default_rng(1), *size)
    return image, (labels == np.bincount(labels.ravel())[1:].argmax() + 1).astype(np.int8)


def _as_prob(gt: np.ndarray, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(gt == 1).float()[None, None].to(device)


def _peak_memory(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
