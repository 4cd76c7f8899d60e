"""Validation between epochs: losses on held-out data, and a validation of the user's own."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from isegm.methods.base import ClickModel
from isegm.training.batches import Loader, held_out
from isegm.training.learner import Learner
from isegm.training.meters import sample_ious
from isegm.training.rollout import evaluating
from isegm.training.stopping import Stopped, StopRequest
from isegm.utils.processes import Process

if TYPE_CHECKING:
    from isegm.training.trainer import Trainer


class Validation:
    """One validation."""

    def __init__(
        self, trainer: Trainer, learner: Learner, process: Process, request: StopRequest
    ) -> None:
        self.trainer, self.learner = trainer, learner
        self.process, self.request = process, request

    @torch.no_grad()
    def values(self, model: ClickModel, epoch: int) -> dict[str, float]:
        """Everything that is measured after an epoch, by name.

        Raises:
            Stopped: a stop was asked for; nothing is lost that a resume does not do again.
        """
        found: dict[str, float] = {}
        with evaluating(model):
            if self.trainer.data.val is not None:
                found |= self._held_out_losses(model)
            if self.trainer.validate is not None:
                found |= self._users_own(model, epoch)
        return found

    def _users_own(self, model: ClickModel, epoch: int) -> dict[str, float]:
        """What process 0 measures, while the others wait. A stop ends all of them if process 0 was
        asked; the others end with the next step, in which all agree.
        """

        def measured() -> dict[str, float] | None:
            try:
                with self.request.at_once():
                    return dict(self.trainer.validate(model, epoch))
            except Stopped:
                return None

        values = self.process.broadcast_from_rank0(measured)
        if values is None:
            raise Stopped
        return values

    def _held_out_losses(self, model: ClickModel) -> dict[str, float]:
        """Mean losses and IoU over the held-out data, with corrections as in training; the same at
        every validation.
        """
        data, process, config = self.trainer.data.val, self.process, self.trainer.config
        sums: dict[str, float] = {}
        held = list(held_out(len(data), config.batch_size, process.rank, process.count))
        own = [keys for keys in held if keys]
        with contextlib.closing(Loader(data, own, config.workers, process.device)) as loader:
            batches = iter(loader)
            for number, keys in enumerate(held):
                if process.all_reduce_max(self.request.made):  # or the others would wait for it
                    raise Stopped
                if not keys:
                    continue
                values = self._held_out_values(model, next(batches), number)
                for name, value in values.items():
                    sums[name] = sums.get(name, 0.0) + float(value) * len(keys)
        names = sorted({name for own in process.gather(list(sums)) for name in own})
        reduced = process.all_reduce_sum([sums.get(name, 0.0) for name in names])
        totals = dict(zip(names, reduced, strict=True))
        samples = totals.pop("samples", 1.0)
        return {name: value / samples for name, value in totals.items()}

    def _held_out_values(
        self, model: ClickModel, batch: dict[str, Tensor], number: int
    ) -> dict[str, Tensor | float]:
        rounds = self.trainer.user.rounds(self.trainer.config.seed, number)
        round_, target = self.learner.round(batch, rounds)
        with self.learner.autocast():
            pred = model(round_)
            losses = model.losses(pred, target, round_)
        return {
            "loss": sum(losses.values()),
            **losses,
            "IoU": sample_ious(pred.logits, target).mean(),
            "samples": 1.0,
        }
