"""Whatever happens, only the steps since the last checkpoint are lost."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from small_disk import fill, small_disk

from isegm.core.errors import IsegmError
from isegm.training import batches, run_folder
from isegm.training.checkpoint import read_checkpoint, write_checkpoint
from isegm.training.meters import NonFiniteLoss
from isegm.training.options import RunOptions
from isegm.training.stopping import Stopped

HEADER = {"isegm": {"kind": "training", "schema": 1}, "experiment": {}}


def last(folder):
    return folder / "checkpoints" / "last_checkpoint.pth"


def torn_after(count):
    """torch.save for which the machine stops in the middle of file number ``count``."""
    save, files = torch.save, []

    def torn(contents, file):
        files.append(file)
        if len(files) == count:
            file.write(b"PK half a checkpoint")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        save(contents, file)

    return torn


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_while_writing_a_checkpoint(trainer_of, monkeypatch):
    """The second checkpoint is cut off by SIGKILL: the first is whole, the run goes on from it, and
    the debris goes.
    """
    whole = trainer_of(epochs=3, run={"exp_name": "whole"}).fit()
    child = os.fork()
    if not child:
        monkeypatch.setattr("isegm.training.checkpoint.torch.save", torn_after(2))
        trainer_of(epochs=3, run={"exp_name": "torn"}).fit()
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    folder = whole.with_name("001_torn")
    assert read_checkpoint(last(folder))["progress"]["epoch"] == 1
    assert len(list(last(folder).parent.glob(".*.part"))) == 1
    assert trainer_of(epochs=3, run={"exp_name": "torn", "resume": "auto"}).fit() == folder
    assert not list(last(folder).parent.glob(".*.part"))
    for name, value in read_checkpoint(last(whole))["model"].items():
        assert torch.equal(value, read_checkpoint(last(folder))["model"][name])


def test_a_disk_that_fills_in_the_middle_keeps_the_old_checkpoint_and_says_so(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        path = disk / "last_checkpoint.pth"
        write_checkpoint(path, HEADER | {"step": 1, "experiment": {}})
        many = [torch.zeros(1000) for _ in range(1000)]  # 4 MB, in many pieces
        for weights in (many, torch.zeros(1_000_000)):
            with pytest.raises(IsegmError, match=r"No space left on device; the last one is compl"):
                write_checkpoint(path, HEADER | {"weights": weights})
        assert read_checkpoint(path)["step"] == 1
        assert [p.name for p in disk.iterdir()] == [path.name]


def test_a_training_on_a_full_disk_stops_and_goes_on_later(trainer_of, cfg):
    whole = trainer_of(epochs=2, run={"exp_name": "whole"}).fit()
    saved = read_checkpoint(last(whole))["model"]
    cfg.EXPS_PATH = cfg.EXPS_PATH + "_small"
    with small_disk(Path(cfg.EXPS_PATH)) as disk:
        first = trainer_of(epochs=1, run={"exp_name": "torn"}).fit()
        fill(disk)
        with pytest.raises(IsegmError, match="continue with --resume auto"):
            trainer_of(epochs=2, run={"resume": str(first)}).fit()
        (disk / "filler").unlink()
        assert trainer_of(epochs=2, run={"exp_name": "torn", "resume": "auto"}).fit() == first
        for name, value in saved.items():
            assert torch.equal(value, read_checkpoint(last(first))["model"][name])


def test_a_data_process_that_is_killed(trainer_of):
    """As the kernel does when memory runs out; the message says what to try."""
    trainer = trainer_of(epochs=3, workers=1)
    read, home = type(trainer.data.train).__getitem__, os.getpid()

    def item(dataset, key):
        if key == (1, 5) and os.getpid() != home:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(dataset, key)

    trainer.data.train.__class__ = type("Dying", (type(trainer.data.train),), {"__getitem__": item})
    with pytest.raises(IsegmError, match=r"a data process died .*--workers.*--resume auto"):
        trainer.fit()
    (folder,) = trainer_folder(trainer).iterdir()
    assert read_checkpoint(last(folder))["progress"] == {"epoch": 1, "batch": 0, "step": 4}
    trainer_of(epochs=3, run={"resume": str(folder)}).fit()
    assert read_checkpoint(last(folder))["progress"]["epoch"] == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_that_comes_while_data_processes_start(trainer_of, monkeypatch, number):
    """A batch system signals every process; a data process that does not ignore that yet must not
    die of it.
    """
    ready = batches._start_worker

    def signalled(worker):
        os.kill(os.getpid(), number)
        ready(worker)

    monkeypatch.setattr(batches, "_start_worker", signalled)
    assert read_checkpoint(last(trainer_of(epochs=2, workers=1).fit()))["progress"]["epoch"] == 2


def test_a_batch_that_is_not_a_number(trainer_of):
    """One item with a target of NaN: the step is not taken into any checkpoint."""
    trainer = trainer_of(epochs=3)
    read = type(trainer.data.train).__getitem__

    def item(dataset, key):
        found = read(dataset, key)
        if key == (1, 5):
            found["target"] = torch.full_like(found["target"], np.nan).clamp(min=0) * np.nan
        return found

    trainer.data.train.__class__ = type(
        "Broken", (type(trainer.data.train),), {"__getitem__": item}
    )
    with pytest.raises(NonFiniteLoss, match=r"step 5 \(epoch 2\)"):
        trainer.fit()
    (folder,) = trainer_folder(trainer).iterdir()
    saved = read_checkpoint(last(folder))
    assert saved["progress"] == {"epoch": 1, "batch": 0, "step": 4}
    assert all(value.isfinite().all() for value in saved["model"].values())


def trainer_folder(trainer):
    return trainer.folder


def test_auto_keeps_to_the_runs_of_one_name(tmp_path):
    for name in ("000_night", "001_other", "002_a_night", "003_night"):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
    for name in ("000_night", "001_other", "002_a_night"):
        last(tmp_path / name).touch()

    def found(name):
        return run_folder.find_checkpoint(tmp_path, RunOptions(exp_name=name, resume="auto"))

    assert found("night") == last(tmp_path / "000_night")
    assert found("a_night") == last(tmp_path / "002_a_night")
    assert found("new") is None
    assert found("") == last(tmp_path / "002_a_night")


def test_a_run_folder_has_one_writer_at_a_time(trainer_of):
    """A second --resume auto must not join a live run, nor delete its half-written files."""
    refusals = []

    def meanwhile(model, epoch):
        folder = trainer_folder(trainer) / "000_live"
        partial = folder / "checkpoints" / ".last_checkpoint.pth.1.part"
        partial.touch()
        with pytest.raises(
            IsegmError, match=rf"000_live is being written by process {os.getpid()}"
        ):
            trainer_of(epochs=3, run={"exp_name": "live", "resume": "auto"}).fit()
        refusals.append(partial.exists())
        return {}

    trainer = trainer_of(epochs=2, validate_every=1, run={"exp_name": "live"}, validate=meanwhile)
    folder = trainer.fit()
    assert refusals == [True, True]
    assert not (folder / ".writer").exists()
    assert trainer_of(epochs=3, run={"exp_name": "live", "resume": "auto"}).fit() == folder


def entries(folder):
    text = (folder / "logs" / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_in_a_validation_ends_it_and_the_resume_repeats_it(trainer_of, number):
    def stopped(model, epoch):
        if epoch == 1:
            os.kill(os.getpid(), number)
            time.sleep(60)
        return {"NoC": float(epoch)}

    begun = time.monotonic()
    settings = {"epochs": 2, "validate_every": 1, "val": True}
    with pytest.raises(Stopped):
        trainer_of(validate=stopped, run={"exp_name": "a"}, **settings).fit()
    assert time.monotonic() - begun < 55
    resumed = {"exp_name": "a", "resume": "auto"}
    folder = trainer_of(validate=lambda m, e: {"NoC": float(e)}, run=resumed, **settings).fit()
    whole = trainer_of(validate=lambda m, e: {"NoC": float(e)}, run={"exp_name": "b"}, **settings)
    assert entries(folder) == entries(whole.fit())
    assert [entry["epoch"] for entry in entries(folder)] == [1, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_metrics_of_a_validation_that_was_killed_are_made_up_for(trainer_of):
    settings = {"epochs": 2, "validate_every": 1}
    child = os.fork()
    if not child:
        kill = {"validate": lambda model, epoch: os.kill(os.getpid(), signal.SIGKILL)}
        trainer_of(run={"exp_name": "a"}, **kill, **settings).fit()
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    resumed = {"exp_name": "a", "resume": "auto"}
    folder = trainer_of(validate=lambda m, e: {"NoC": float(e)}, run=resumed, **settings).fit()
    assert [(entry["epoch"], entry["NoC"]) for entry in entries(folder)] == [(1, 1.0), (2, 2.0)]


@pytest.mark.parametrize("name", ["model", "random", "memory", "epoch_length"])
def test_a_checkpoint_that_lacks_a_part(trainer_of, name):
    folder = trainer_of(epochs=1).fit()
    contents = read_checkpoint(last(folder))
    del contents[name]
    torch.save(contents, last(folder))
    with pytest.raises(IsegmError, match=rf"lacks {name}, so its training cannot be continued"):
        trainer_of(epochs=2, run={"resume": str(folder)}).fit()
