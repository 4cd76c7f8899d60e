"""The one trainer, for all methods and any number of processes; it can stop and continue at any
step.

Randomness depends only on the seed and the position: samples on (seed, epoch, position), the number
of rounds on (seed, step), simulated clicks on the sample. Only dropout uses a running generator,
whose state is in the checkpoint.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from easydict import EasyDict
from torch import Tensor

from isegm.core.clicks import Clicks
from isegm.data.dataset import TrainingData
from isegm.methods.base import ClickModel
from isegm.methods.checkpoints import save_model
from isegm.nn.weights import finite
from isegm.training import checkpoint, initial, run_folder
from isegm.training.batches import GlobalBatches, Loader, deaths_explained
from isegm.training.experiment import Experiment
from isegm.training.experiment_file import Loaded, to_text
from isegm.training.learner import Learner
from isegm.training.logging import RunLog
from isegm.training.meters import LossWindow, NonFiniteLoss, means, not_finite
from isegm.training.options import RunOptions
from isegm.training.preflight import Preflight
from isegm.training.stopping import Stopped, StopRequest, stop_requests
from isegm.training.users.base import SimulatedUser
from isegm.training.validation import Validation
from isegm.utils.config import absolute
from isegm.utils.device import device_of_process
from isegm.utils.processes import Process, joined

log = logging.getLogger("isegm")
Validate = Callable[[ClickModel, int], dict[str, float]]
# What a process wants all processes to do after a step; the largest wins.
CONTINUE, SAVE, STOP, LOOK = range(4)


class Trainer:
    """Trains one experiment.

    Args:
        experiment: to train.
        cfg: config.yml.
        options: of this run.
        validate: called as ``validate(model, epoch)`` on process 0 with the model in eval mode;
            returns named values to log.

    Raises:
        IsegmError: a part cannot be built, e.g. because its data are missing.
    """

    def __init__(
        self,
        experiment: Experiment,
        cfg: EasyDict,
        options: RunOptions | None = None,
        validate: Validate | None = None,
    ) -> None:
        self.experiment, self.config, self.cfg = experiment.completed(), experiment.train, cfg
        self.options = options or RunOptions()
        self.validate = validate or self.options.validate
        self.user: SimulatedUser = experiment.build(experiment.user)
        self.data = TrainingData(
            *(experiment.build(part, cfg=cfg) for part in (experiment.data, experiment.val))
        )

    def learner(self, process: Process, resumes: bool = False) -> Learner:
        """The learner of one process at the start of the training."""
        experiment = self.experiment
        config = self.config
        optimizer, schedule, losses = (
            experiment.build(part)
            for part in (config.optimizer, config.schedule, config.click_losses)
        )
        model = initial.model(experiment, self.cfg, resumes)
        return Learner(model, config, optimizer, schedule, self.user, process, losses)

    @property
    def folder(self) -> Path:
        """The folder of all runs of this experiment."""
        return absolute(self.cfg, self.cfg.EXPS_PATH) / self.options.name

    def fit(self) -> Path:
        """Train to the end and return the run folder, which then holds ``model.safetensors``; or
        check, and return a picture.

        Raises:
            Stopped: after SIGTERM or Ctrl-C; the state is saved.
            NonFiniteLoss: naming the terms; the last checkpoint is still good. On a CPU it is
                noticed in the same step, on a GPU within ``log_every`` steps.
            IsegmError: anything else the user can fix.
        """
        with (
            joined(device_of_process(self.options.cpu, self.options.gpus)) as process,
            stop_requests() as request,
            deaths_explained(),
            run_folder.full_disks_explained(self.folder),
        ):
            if self.options.check:
                return Preflight(self, process).run()
            training = _Training(self, process, request)
            with contextlib.closing(training):
                training.run()
            return training.folder.path


class _Training:
    """One run of a trainer in one process."""

    def __init__(self, trainer: Trainer, process: Process, request: StopRequest) -> None:
        self.trainer, self.process, self.request = trainer, process, request
        self.writer: run_folder.Writer | None = None  # on process 0
        config, data = trainer.config, trainer.data
        self.config = config
        resumed = process.broadcast_from_rank0(
            lambda: run_folder.find_checkpoint(trainer.folder, trainer.options)
        )
        self.learner = trainer.learner(process, resumes=resumed is not None)
        self.state = self.learner.state
        self.batches = GlobalBatches(
            len(data.train), config.batch_size, process.rank, process.count
        )
        self.memory = trainer.user.memory(config.seed, data.train)
        batches = self.memory.batches(self.batches)
        self.loader = Loader(data.train, batches, config.workers, process.device)
        self.identity = checkpoint.describe(trainer.experiment, len(data.train))
        self._seed_generators()
        self.folder = self._new_folder() if resumed is None else self._resume(resumed)
        self.log = RunLog(self.folder if process.first else None, self.state.progress.step)
        self.window, self.last_save, self.broken = LossWindow(), time.monotonic(), False

    def close(self) -> None:
        self.loader.close()
        self.learner.close()
        self.log.close()
        if self.writer is not None:
            self.writer.release()

    def run(self) -> None:
        progress, config = self.state.progress, self.config
        self.log.info(
            "run folder %s, %d process(es) on %s",
            self.folder.path,
            self.process.count,
            self.process.device.type,
        )
        between = progress.epoch > 0 and progress.batch == 0
        if between and not self.process.broadcast_from_rank0(lambda: self.log.has(progress.epoch)):
            self._validate_if_due()  # it was cut short
        while progress.epoch < config.epochs and not self._enough_steps():
            self._train_epoch()
            if progress.batch < self.batches.batches:  # max_steps came first
                self._save()
                break
            self._end_epoch()
        if self.process.first:
            path = self.folder.path / "model.safetensors"
            reached = {"epoch": str(progress.epoch), "step": str(progress.step)}
            save_model(path, self.state.best_model, self.trainer.experiment.model, reached)
            log.info("finished after %d epochs, %d steps: %s", progress.epoch, progress.step, path)

    def _train_epoch(self) -> None:
        progress, batches = self.state.progress, self.batches.batches
        self.state.model.train()
        self.log.start_epoch(
            f"epoch {progress.epoch + 1}/{self.config.epochs}", progress.batch, batches
        )
        started, first = time.monotonic(), progress.step
        self.batches.epoch, self.batches.start = progress.epoch, progress.batch
        for batch in self.loader:
            self._train_batch(batch)
            self._consult()
            if self._enough_steps():
                break
        self._look()
        self.log.end_epoch()
        self.log.info(
            "epoch %d: %.2f s per step",
            progress.epoch + 1,
            (time.monotonic() - started) / max(1, progress.step - first),
        )

    def _train_batch(self, batch: dict[str, Tensor]) -> None:
        step = self.state.progress.step
        keys = self.batches.keys(self.state.progress.batch)
        clicks = self.memory.continued(Clicks(batch["yx"], batch["label"]), keys)
        learned = self.learner.learn(batch | {"yx": clicks.yx, "label": clicks.label})
        self.memory.learn(
            keys, learned.logits, learned.target, learned.round_.clicks, self.learner.pool
        )
        self.window.add(step, {**learned.losses, "IoU": self.state.iou.smoothed.clone()})
        if step % self.config.image_every == 0:
            self.log.picture(learned.round_, learned.target, learned.logits, step)
        self.state.progress.batch += 1
        self.log.advance()
        # On a CPU there is nothing to wait for, so a broken step can be noticed at once.
        on_cpu = self.process.device.type == "cpu"
        self.broken = on_cpu and not bool(learned.losses["loss"].isfinite())

    def _consult(self) -> None:
        """Agree with the other processes whether to look at the losses, to save, or to stop."""
        due = time.monotonic() - self.last_save > 60 * self.config.checkpoint_minutes
        save = SAVE if self.process.first and due else CONTINUE
        wish = max(save, STOP * self.request.made, LOOK * self.broken)
        agreed = self.process.all_reduce_max(wish)
        if agreed == LOOK or self.state.progress.step % self.config.log_every == 0:
            self._look()
        if agreed in (SAVE, STOP):
            self._save()
        if agreed == STOP:
            self.log.info(
                "stopped and saved; continue with the same command and --resume %s",
                self.folder.path,
            )
            raise Stopped

    def _look(self) -> None:
        """Fetch the losses since the last look, stop if one is not finite, and log their means."""
        rows = self.window.read()
        bad = next(((step, named) for step, values in rows if (named := not_finite(values))), None)
        if broken := [entry for entry in self.process.gather(bad) if entry]:
            step, values = min(broken, key=lambda entry: entry[0])
            raise NonFiniteLoss(
                f"step {step} (epoch {self.state.progress.epoch + 1}):"
                f" {', '.join(f'{k} = {v}' for k, v in values.items())}. {self._last_good()} Lower"
                " train.optimizer.lr, clip gradients (train.clip=1), or use bf16 instead of fp16"
            )
        own = means([values for _, values in rows])
        if not own:
            return
        sums = self.process.all_reduce_sum(list(own.values()))
        shared = {name: v / self.process.count for name, v in zip(own, sums, strict=True)}
        rates = {
            f"lr/group{i}": group["lr"] for i, group in enumerate(self.state.optimizer.param_groups)
        }
        self.log.scalars("train", shared | rates, self.state.progress.step)

    def _end_epoch(self) -> None:
        progress, config = self.state.progress, self.config
        progress.epoch, progress.batch = progress.epoch + 1, 0
        self.state.scheduler.step()
        self.memory.end_epoch(self.process)
        keep = config.checkpoint_interval and progress.epoch % config.checkpoint_interval == 0
        self._save(f"{progress.epoch:03d}.pth" if keep else None)
        self._validate_if_due()

    def _validate_if_due(self) -> None:
        """Validate at the end of an epoch. A stop ends it at once, because everything is saved; the
        resume does it again.
        """
        progress, config = self.state.progress, self.config
        last = progress.epoch == config.epochs
        if not (config.validate_every and (last or progress.epoch % config.validate_every == 0)):
            return
        # Validation must not change the random numbers of the training after it.
        devices = [self.process.device] if self.process.device.type == "cuda" else []
        try:
            with torch.random.fork_rng(devices):
                self._validate()
        except Stopped:
            self.log.info(
                "stopped and saved; the validation is repeated when you continue, with the same"
                " command and --resume %s",
                self.folder.path,
            )
            raise

    def _validate(self) -> None:
        progress = self.state.progress
        validation = Validation(self.trainer, self.learner, self.process, self.request)
        values = validation.values(self.state.best_model, progress.epoch)
        self.log.scalars("val", values, progress.step)
        self.log.record({"epoch": progress.epoch, "step": progress.step, **values})

    def _save(self, copy_as: str | None = None) -> None:
        """Write the last checkpoint, and a copy to keep; broken weights never replace good ones."""
        self._look()
        if not finite(self.state.model):
            raise NonFiniteLoss(
                f"a weight is not finite after step {self.state.progress.step}. {self._last_good()}"
            )
        contents = self.identity | self.state.state_dict(self.process)
        contents["memory"] = self.memory.state_dict(self.process)
        # So that all processes notice a full disk.
        self.process.broadcast_from_rank0(lambda: self._write(contents, copy_as))
        self.last_save = time.monotonic()

    def _write(self, contents: dict[str, Any], copy_as: str | None) -> None:
        checkpoint.write_checkpoint(self.folder.last_checkpoint, contents)
        if copy_as:
            checkpoint.write_checkpoint(self.folder.checkpoints / copy_as, contents)

    def _last_good(self) -> str:
        path = self.folder.last_checkpoint
        if path.exists():
            return f"The last checkpoint is good: {path}."
        return "There is no checkpoint yet."

    def _enough_steps(self) -> bool:
        most = self.config.max_steps
        return most is not None and self.state.progress.step >= most

    def _seed_generators(self) -> None:
        """Seed torch's generators differently on every process."""
        entropy = [self.config.seed, self.process.rank, self.state.progress.step]
        words = np.random.SeedSequence(entropy).generate_state(1, np.uint64)
        torch.manual_seed(int(words[0]))

    def _new_folder(self) -> run_folder.RunFolder:
        trainer, options = self.trainer, self.trainer.options
        text = to_text(Loaded(trainer.experiment, options.name), " ".join(sys.argv))

        def create() -> run_folder.RunFolder:
            folder = run_folder.create(trainer.folder, options, text)
            self.writer = run_folder.Writer(folder.path)
            return folder

        return self.process.broadcast_from_rank0(create)

    def _resume(self, path: Path) -> run_folder.RunFolder:
        """Continue from a checkpoint, in its run folder."""
        # Other machines may not see the file.
        saved = self.process.broadcast_from_rank0(lambda: checkpoint.read_checkpoint(path))
        checkpoint.check_complete(saved, path)
        checkpoint.check_same(saved, self.identity, path)
        self.state.load_state_dict(saved, self.process)
        self.memory.load_state_dict(saved["memory"])
        if len(saved["random"]) != self.process.count:
            self._seed_generators()
            log.info(
                "%s was written by %d processes: dropout is seeded again",
                path,
                len(saved["random"]),
            )
        if self.process.first:
            log.info(
                "resuming %s at epoch %d, step %d",
                path,
                self.state.progress.epoch + 1,
                self.state.progress.step,
            )

        def opened() -> run_folder.RunFolder:
            self.writer = run_folder.Writer(path.resolve().parent.parent)
            return run_folder.of_checkpoint(path)

        return self.process.broadcast_from_rank0(opened)
