"""A trial before a training: data, memory, speed, the first batch as a picture.

Problems that would stop the training later are reported here, with what to change. Only the picture
is kept.
"""

from __future__ import annotations

import contextlib
import logging
import math
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import Dataset

from isegm.core.errors import IsegmError
from isegm.training.batches import Batch, GlobalBatches, Loader, worker_count
from isegm.training.learner import Learned, Learner, split
from isegm.training.logging import picture
from isegm.training.meters import not_finite
from isegm.training.rollout import evaluating
from isegm.utils import memory
from isegm.utils.processes import Process, processes_here
from isegm.utils.vis import write_image

if TYPE_CHECKING:
    from isegm.training.trainer import Trainer

log = logging.getLogger("isegm")
GB = 1e9
ITEMS = 12  # number of items to time
SAMPLES = 2  # in the step that measures the memory of a sample
SHARED_MEMORY = Path("/dev/shm")
PREFETCHED = 2  # batches that a data worker prefetches


@dataclass(frozen=True)
class Speed:
    """Seconds for one item in a data worker, one step without corrections, one correction of a
    batch, and one forward pass in validation.
    """

    item: float
    step: float
    round: float
    answer: float


class Preflight:
    """The checks of one process, made by all processes together."""

    def __init__(self, trainer: Trainer, process: Process) -> None:
        self.trainer, self.process = trainer, process
        self.config, self.user, self.data = trainer.config, trainer.user, trainer.data
        self.batches = GlobalBatches(
            len(self.data.train), self.config.batch_size, process.rank, process.count
        )
        self.workers = worker_count(self.config.workers)
        self.folder = trainer.folder

    def run(self) -> Path:
        """Check everything, log the results, and return the path of the picture.

        Raises:
            IsegmError: the training would fail; says what to change.
        """
        process, config = self.process, self.config
        self._say(
            "data",
            f"{len(self.data.train)} samples per epoch, {self.batches.batches} batches of"
            f" {config.batch_size}",
        )
        learner = self.trainer.learner(process)
        with (
            contextlib.closing(learner),
            out_of_memory_explained(learner.part, self.batches.share, process.device),
        ):
            share, part = self.batches.share, learner.part
            micro = f", in micro-batches of {part}" if part < share else ""
            self._say(
                "processes",
                f"{process.count} on {process.device.type}, {share} samples each{micro}",
            )
            self._check_disk(learner)
            batch, item = self._load()
            used = self._check_memory(learner, batch)
            learned, speed = self._measure(learner, batch, item)
            self._check_answer(learner, learned)
        self._say(
            "memory",
            f"{max(process.gather(used)) / GB:.1f} GB of {memory.total(process.device) / GB:.1f}"
            " per process",
        )
        self._tell_speed(speed)
        return self._draw(learned)

    def _say(self, about: str, words: str) -> None:
        if self.process.first:
            log.info("%-11s %s", about, words)

    def _check_disk(self, learner: Learner) -> None:
        model, config = learner.state.model, self.config
        values = sum(v.nbytes for v in model.state_dict().values())
        trained = sum(p.nbytes for p in model.parameters() if p.requires_grad)
        self._say("network", f"{type(model).__name__}, {values / 4e6:.1f} M values")
        one = values + 2 * trained + (values if config.ema else 0)
        kept = config.epochs // config.checkpoint_interval if config.checkpoint_interval else 0
        needed = one * (kept + 2)  # the last one, and the one that replaces it
        there = next(path for path in (self.folder, *self.folder.parents) if path.exists())
        free = shutil.disk_usage(there).free
        self._say(
            "disk",
            f"{needed / GB:.2f} GB of checkpoints ({kept} kept), {free / GB:.0f} GB free in"
            f" {there}",
        )
        if needed > free:
            raise IsegmError(
                f"{kept + 1} checkpoints of {one / GB:.2f} GB do not fit into the {free / GB:.2f}"
                f" GB that are free in {there}; keep fewer (train.checkpoint_interval=null keeps"
                " only the last) or change EXPS_PATH in config.yml"
            )

    def _load(self) -> tuple[Batch, float]:
        """This process's share of the first batch, from a data worker, and the seconds per item."""
        keys, train = next(iter(self.batches)), self.data.train
        item = seconds_per_item(train, keys)
        if self.data.val is not None:
            self.data.val[0, 0]
        needed = self._shared_memory(train[keys[0]])
        free = shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.exists() else math.inf
        if self.workers and needed > free:
            raise IsegmError(
                f"{self.workers} data workers per process may hold {needed / GB:.2f} GB in"
                f" {SHARED_MEMORY}, which has {free / GB:.2f} GB: enlarge it (docker run"
                f" --shm-size={math.ceil(needed / GB) + 1}g), or use --workers"
                f" {int(self.workers * free / needed)}"
            )
        loader = Loader(train, [keys], self.config.workers, self.process.device)
        with contextlib.closing(loader):
            return next(iter(loader)), item

    def _shared_memory(self, item: Batch) -> int:
        per_batch = self.batches.share * sum(value.nbytes for value in item.values())
        return per_batch * PREFETCHED * self.workers * processes_here(self.process)

    def _check_memory(self, learner: Learner, batch: Batch) -> int:
        """The peak, in bytes, of a step with the most corrections; on a CPU, a smaller step first
        shows whether it will fit.
        """
        device, rounds = self.process.device, self.user.max_rounds
        memory.reset_peak(device)
        if device.type == "cpu" and learner.part > SAMPLES:
            before = memory.used(device)
            learner.learn(split(batch, SAMPLES)[0], rounds)
            per_sample = max(0, memory.peak(device) - before) / SAMPLES
            # The first step's memory is not released, so the next one needs only the rest.
            more = per_sample * (learner.part - SAMPLES) * processes_here(self.process)
            free = memory.available()
            if more > free:
                raise IsegmError(
                    f"{learner.part} samples at once would need {more / GB:.1f} GB more memory, and"
                    f" {free / GB:.1f} GB are"
                    f" available; {smaller(learner.part, self.batches.share)}"
                )
        learner.learn(batch, rounds)
        return memory.peak(device)

    def _measure(self, learner: Learner, batch: Batch, item: float) -> tuple[Learned, Speed]:
        """The last step, and the times."""
        seconds = {}
        for rounds in dict.fromkeys((0, self.user.max_rounds)):
            repeats, times = 3, []
            while len(times) < repeats:
                started = time.perf_counter()
                learned = learner.learn(batch, rounds)
                memory.wait(self.process.device)
                times.append(time.perf_counter() - started)
                # The same number on every process.
                repeats = 1 if self.process.all_reduce_max(int(times[0] > 10)) else 3
            seconds[rounds] = float(np.median(times))
        most = self.user.max_rounds
        per_round = max(0.0, seconds[most] - seconds[0]) / most if most else 0.0
        return learned, Speed(item, seconds[0], per_round, self._answering(learner, learned))

    def _answering(self, learner: Learner, learned: Learned) -> float:
        """Seconds for a batch of held-out data without corrections, on the second of two passes."""
        if not self._validations():
            return 0.0
        model = learner.state.model
        with torch.no_grad(), evaluating(model), learner.autocast():
            for _ in range(2):
                started = time.perf_counter()
                model(learned.round_)
                memory.wait(self.process.device)
        return time.perf_counter() - started

    def _check_answer(self, learner: Learner, learned: Learned) -> None:
        if bad := not_finite({name: float(value) for name, value in learned.losses.items()}):
            raise IsegmError(
                "after a few steps on the first batch:"
                f" {', '.join(f'{k} = {v}' for k, v in bad.items())}. Lower train.optimizer.lr,"
                " clip gradients (train.clip=1), or use bf16 instead of fp16"
            )
        model = learner.state.model
        if idle := [
            name for name, p in model.named_parameters() if p.requires_grad and p.grad is None
        ]:
            log.warning("%d parameters got no gradient, e.g. %s", len(idle), ", ".join(idle[:3]))

    def _tell_speed(self, speed: Speed) -> None:
        config, user = self.config, self.user
        rounds = float(np.mean([user.rounds(config.seed, step) for step in range(1000)]))
        step = speed.step + rounds * speed.round
        rate = config.batch_size / step
        self._say(
            "step",
            f"{step:.2f} s: {speed.step:.2f} to learn, {speed.round:.2f} per correction,"
            f" {rounds:.1f} on average; {rate:.1f} samples/s",
        )
        loaders = self.workers * self.process.count
        loading = (loaders or self.process.count) / speed.item
        wait = config.batch_size / loading
        per_step = max(step, wait) if loaders else step + wait
        advice = "enough"
        if loading < rate or not loaders:
            workers = math.ceil(speed.item * rate / self.process.count)
            advice = f"training waits for data, use --workers {workers} if there are enough cores"
        self._say(
            "loading",
            f"{1 / speed.item:.1f} samples/s per worker, {loading:.1f} with {self.workers} workers"
            f" per process; {advice}",
        )
        steps = self._steps()
        total = steps * per_step + self._validations() * (speed.answer + rounds * speed.round)
        epochs = math.ceil(steps / self.batches.batches)
        self._say(
            "whole run",
            f"{epochs} epochs, {steps} steps: about {readable(total)}, without NoC validation",
        )

    def _steps(self) -> int:
        """Steps in the whole run."""
        steps = self.config.epochs * self.batches.batches
        return min(steps, self.config.max_steps) if self.config.max_steps else steps

    def _validations(self) -> int:
        """Batches of held-out data in the whole run, including the validation after the last
        epoch.
        """
        every, epochs = self.config.validate_every, self._steps() // self.batches.batches
        if self.data.val is None or not every:
            return 0
        times = epochs // every + (epochs == self.config.epochs and epochs % every > 0)
        return times * math.ceil(len(self.data.val) / self.config.batch_size)

    def _draw(self, learned: Learned) -> Path:
        """The first samples: image with clicks, previous mask, target, the initial network's
        answer.
        """
        path = self.folder / "check.jpg"
        if self.process.first:
            write_image(path, picture(learned.round_, learned.target, learned.logits, rows=8))
        self._say("picture", str(path))
        return path


def seconds_per_item(dataset: Dataset, keys: list[tuple[int, int]]) -> float:
    """The mean over the first few items, after a first one that opens files."""
    dataset[keys[0]]
    started, few = time.perf_counter(), keys[:ITEMS]
    for key in few:
        dataset[key]
    return (time.perf_counter() - started) / len(few)


@contextlib.contextmanager
def out_of_memory_explained(part: int, share: int, device: torch.device) -> Iterator[None]:
    """Replace errors of too little memory, or too few samples, by ones that say what to change."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise IsegmError(
            f"the memory of {device} is too small for {part} samples at once;"
            f" {smaller(part, share)}, or --amp bf16"
        ) from error
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise IsegmError(
            f"{part} sample(s) at once are too few for the batch norm of this network; use at least"
            " 2 per process (--batch-size, --micro-batch, or fewer processes)"
        ) from error


def smaller(part: int, share: int) -> str:
    """Advice on fitting a batch into less memory."""
    fitting = max((size for size in range(1, part // 2 + 1) if share % size == 0), default=0)
    more = f"use --micro-batch {fitting} (the global batch stays), " if fitting else "use "
    return f"{more}a smaller data.augment.crop or more processes"


def readable(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"
