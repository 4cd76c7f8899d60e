"""One process learning from one batch after another: training without data, log and run folder."""

from __future__ import annotations

import contextlib
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from isegm.core.clicks import POSITIVE, Clicks
from isegm.core.errors import IsegmError
from isegm.core.rounds import Round
from isegm.methods.base import ClickModel
from isegm.nn.sync_norms import synchronized
from isegm.training.batches import Batch, part_size
from isegm.training.checkpoint import TrainState
from isegm.training.click_losses import ClickLosses
from isegm.training.experiment import Training
from isegm.training.optimisation import Optimizer, Schedule
from isegm.training.rollout import first_clicks, played
from isegm.training.step import TrainStep
from isegm.training.users.base import SimulatedUser
from isegm.utils.device import EMULATED_BF16, SLOW_BF16, native_bf16
from isegm.utils.processes import Process

log = logging.getLogger("isegm")


@dataclass(frozen=True)
class Learned:
    """The inputs and results of one optimiser step.

    Attributes:
        losses: ``"loss"``, the sum, and the method's own terms; detached scalars, means over this
            process's samples.
        round_, target, logits: the round without its state, the target, and the answer.
    """

    losses: dict[str, Tensor]
    round_: Round
    target: Tensor
    logits: Tensor


class Learner:
    """Rollout, forward, backward, optimiser step; alone or in step with other processes.

    Args:
        model: the network; it is moved to the device and memory layout of the settings.
        optimizer, schedule: the parts that the settings describe.
        user: plays the corrections.
        click_losses: which answers are learned from; None: the last one.

    Raises:
        IsegmError: the settings do not fit the device or the number of processes.
    """

    def __init__(
        self,
        model: ClickModel,
        config: Training,
        optimizer: Optimizer,
        schedule: Schedule,
        user: SimulatedUser,
        process: Process,
        click_losses: ClickLosses | None = None,
    ) -> None:
        if config.amp == "bf16" and not native_bf16(process.device):
            log.warning(SLOW_BF16 if process.device.type == "cpu" else EMULATED_BF16)
        model.to(process.device)
        if config.channels_last:
            model.to(memory_format=torch.channels_last)
        self.config, self.user, self.process = config, user, process
        self.click_losses = click_losses
        self.state = TrainState(model, config, optimizer, schedule, process.device)
        self.part = part_size(config.batch_size // process.count, config.micro_batch)
        self.pool = ThreadPoolExecutor(min(self.part, os.cpu_count() or 1))
        self.step = self._wrapped(TrainStep(model))

    def close(self) -> None:
        self.pool.shutdown()

    def learn(self, batch: Batch, rounds: int | None = None) -> Learned:
        """One optimiser step on this process's share of a global batch.

        Only the simulated clicks wait for a GPU, since each must see an answer.

        Args:
            rounds: corrections to play; by default the user decides.
        """
        state, config, step = self.state, self.config, self.state.progress.step
        restart = self.user.restarts(config.seed, step)
        rounds = self.rounds(batch) if rounds is None else rounds
        state.optimizer.zero_grad(set_to_none=True)
        parts = split(batch, self.part)
        done = [
            self._learn_part(part, rounds, restart, 1 / len(parts), part is parts[-1])
            for part in parts
        ]
        learned = done[0] if len(done) == 1 else joined(done)
        if config.clip:
            state.scaler.unscale_(state.optimizer)
            nn.utils.clip_grad_norm_(state.model.parameters(), config.clip)
        state.scaler.step(state.optimizer)
        state.scaler.update()
        if state.ema is not None:
            state.ema.update(step)
        state.iou.update(learned.logits, learned.target)
        state.progress.step += 1
        return learned

    def _learn_part(
        self, batch: Batch, rounds: int, restart: bool, weight: float, last: bool
    ) -> Learned:
        """Add the gradients of a micro-batch; the last one of a step synchronizes them with the
        other processes.
        """
        rounds_, target = self.played(batch, rounds, restart)
        if self.click_losses is None:
            return self._learn_round(rounds_[-1], target, weight, last)
        weights = self.click_losses.of(len(rounds_))
        chosen = [pair for pair in zip(rounds_, weights, strict=True) if pair[1]]
        done = [
            self._learn_round(round_, target, weight, last and round_ is chosen[-1][0], importance)
            for round_, importance in chosen
        ]
        return replace(done[-1], losses=summed([learned.losses for learned in done]))

    def _learn_round(
        self, round_: Round, target: Tensor, weight: float, last: bool, importance: float = 1.0
    ) -> Learned:
        """Add the gradients of one round, whose losses are multiplied by ``importance``."""
        with contextlib.nullcontext() if last or self.process.count == 1 else self.step.no_sync():
            with self.autocast():
                losses, logits = self.step(round_, target)
                if importance != 1:
                    losses = {name: importance * value for name, value in losses.items()}
                total = torch.stack(list(losses.values())).sum()
            self.state.scaler.scale(total * weight).backward()
        named = {name: value.detach() for name, value in losses.items()}
        return Learned({"loss": total.detach(), **named}, round_, target, logits)

    def rounds(self, batch: Batch) -> int:
        """The number of corrections to play on the next batch."""

        def several() -> bool:
            few = bool(((batch["label"] == POSITIVE).sum(1) < 2).any())
            # Over the global batch, or the training would depend on the number of processes.
            return not self.process.all_reduce_max(few)

        return self.user.rounds(self.config.seed, self.state.progress.step, several)

    def round(self, batch: Batch, rounds: int) -> tuple[Round, Tensor]:
        """The last round of ``played``, and the target."""
        rounds_, target = self.played(batch, rounds)
        return rounds_[-1], target

    def played(
        self, batch: Batch, rounds: int, restart: bool = False
    ) -> tuple[list[Round], Tensor]:
        """Copy a batch to the device and play ``rounds`` corrections on it, or restart from a
        single click; all rounds of the rollout, and the target.
        """
        device = self.process.device
        image = batch["image"].to(device, non_blocking=True).float().div_(255)
        if self.config.channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        target = batch["target"].to(device, non_blocking=True)
        seeds = batch["seed"].tolist()
        if restart:
            clicks = first_clicks(batch["target"], self.user, seeds, self.pool).to(device)
            rounds = 0
        else:  # a blocking copy would wait for the device to finish the previous step
            yx, label = (batch[name].to(device, non_blocking=True) for name in ("yx", "label"))
            clicks = Clicks(yx, label)
        # A separate autocast: a shared one would reuse the weights cast here without gradients.
        with self.autocast():
            rounds_ = played(
                self.state.model, image, target, clicks, self.user, seeds, rounds, self.pool
            )
        return rounds_, target

    def autocast(self) -> torch.autocast:
        amp, device = self.config.amp, self.process.device
        enabled = native_bf16(device) if amp == "auto" else amp != "off"
        return torch.autocast(
            device.type, torch.float16 if amp == "fp16" else torch.bfloat16, enabled=enabled
        )

    def _wrapped(self, step: TrainStep) -> nn.Module:
        """The training step, compiled and distributed according to the settings."""
        device = self.process.device
        if self.config.sync_bn and self.process.count > 1:
            if device.type != "cuda":
                raise IsegmError("train.sync_bn needs GPUs; leave it off on a CPU")
            step = synchronized(step)
        if self.config.compile:
            step.model.compile()
        if self.process.count == 1:
            return step
        return DistributedDataParallel(
            step,
            device_ids=[device.index] if device.type == "cuda" else None,
            gradient_as_bucket_view=True,
        )


def split(batch: Batch, size: int) -> list[Batch]:
    """A batch as micro-batches of ``size`` samples each."""
    pieces = {name: values.split(size) for name, values in batch.items()}
    return [dict(zip(pieces, part, strict=True)) for part in zip(*pieces.values(), strict=True)]


def summed(losses: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The sums of losses of the same name."""
    names = dict.fromkeys(name for one in losses for name in one)
    return {name: sum(one[name] for one in losses if name in one) for name in names}


def joined(parts: list[Learned]) -> Learned:
    """A whole step from its micro-batches, which have equal sizes."""
    names = dict.fromkeys(name for part in parts for name in part.losses)
    losses = {
        name: sum(part.losses[name] for part in parts if name in part.losses) / len(parts)
        for name in names
    }
    rounds = [part.round_ for part in parts]
    round_ = Round(
        torch.cat([r.image for r in rounds]),
        Clicks.cat([r.clicks for r in rounds]),
        torch.cat([r.prev_prob for r in rounds]),
    )
    return Learned(
        losses,
        round_,
        torch.cat([part.target for part in parts]),
        torch.cat([part.logits for part in parts]),
    )
