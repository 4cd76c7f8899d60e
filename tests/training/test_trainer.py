"""The trainer on toy discs: it learns, its switches work, and it stops as promised."""

import json
import math
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from isegm.core.clicks import Click, Clicks
from isegm.core.errors import IsegmError
from isegm.core.registry import spec
from isegm.core.rounds import Round
from isegm.originals.loading import load_model
from isegm.training import trainer as trainer_module
from isegm.training.checkpoint import read_checkpoint
from isegm.training.logging import picture
from isegm.training.stopping import STOPPING, Stopped, stop_requests
from isegm.training.trainer import NonFiniteLoss
from isegm.training.users.iterative import Iterative
from isegm.training.users.replay import Replaying


def entries(folder):
    return [
        json.loads(line) for line in (folder / "logs" / "metrics.jsonl").read_text().splitlines()
    ]


def test_loss_falls_and_iou_rises_on_held_out_discs(trainer_of):
    folder = trainer_of(epochs=12, lr=2e-2, val=True, length=32, model={"dropout": 0.0}).fit()
    first, *_, last = entries(folder)
    assert last["loss"] < 0.5 * first["loss"]
    assert last["IoU"] > 0.6


def test_the_run_folder_is_complete(trainer_of, tmp_path):
    script = tmp_path / "mine" / "disc_run.py"
    script.parent.mkdir()
    script.write_text("# an experiment")
    folder = trainer_of(
        epochs=2,
        checkpoint_interval=1,
        run={"name": "mine/disc_run", "files": (script,), "exp_name": "first"},
        validate=lambda model, epoch: {"NoC": 7.0},
    ).fit()
    assert folder == tmp_path / "exps" / "mine" / "disc_run" / "000_first"
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {
        "disc_run.py",
        "experiment.json",
        "model.safetensors",
        "vis/0000000.jpg",
        "logs/train.log",
    } <= names
    assert {
        "checkpoints/last_checkpoint.pth",
        "checkpoints/001.pth",
        "checkpoints/002.pth",
    } <= names
    assert any(name.startswith("logs/events.out") for name in names)
    settings = json.loads((folder / "experiment.json").read_text())["experiment"]
    assert settings["train"]["epochs"] == 2
    assert settings["model"]["args"] == {"dropout": 0.2}
    assert settings["data"]["args"] == {"length": 16, "seed": 0}, "defaults are written out"
    assert [entry["NoC"] for entry in entries(folder)] == [7.0, 7.0]
    assert trainer_of(epochs=1, run={"name": "mine/disc_run"}).fit().name == "001"


def test_model_and_checkpoint_load_anywhere(trainer_of):
    folder = trainer_of(ema=0.9).fit()
    shared, resumable = (
        load_model(folder / name)
        for name in ("model.safetensors", "checkpoints/last_checkpoint.pth")
    )
    saved = read_checkpoint(folder / "checkpoints" / "last_checkpoint.pth")
    for name, value in shared.model.state_dict().items():
        assert torch.equal(value, resumable.model.state_dict()[name])
        assert torch.equal(value, saved["ema"][name])
    assert not torch.equal(saved["ema"]["head.weight"], saved["model"]["head.weight"])


@pytest.mark.parametrize(
    "switch",
    [
        {"amp": "bf16"},
        {"amp": "auto"},
        {"ema": 0.99},
        {"clip": 0.5},
        {"channels_last": True},
        {"milestones": (1,)},
        {"amp": "bf16", "ema": 0.9, "clip": 1.0, "channels_last": True},
    ],
    ids=str,
)
def test_switches_train(trainer_of, switch):
    folder = trainer_of(epochs=6, val=True, **switch).fit()
    assert entries(folder)[-1]["loss"] < entries(folder)[0]["loss"]


def test_autocast_trains_every_weight(trainer_of):
    """Weights cast to bfloat16 during the rollout, without gradients, must not be used again in the
    step.
    """
    folder = trainer_of(
        epochs=1, amp="bf16", user=spec(Iterative, max_rounds=3), checkpoint_interval=1
    ).fit()
    saved = read_checkpoint(folder / "checkpoints" / "001.pth")
    for moments in saved["optimizer"]["state"].values():
        assert moments["exp_avg"].abs().sum() > 0


def test_clipping_bounds_the_gradients(trainer_of, monkeypatch):
    norms = []
    clip = torch.nn.utils.clip_grad_norm_

    def recorded(parameters, limit):
        parameters = list(parameters)
        clip(parameters, limit)
        norms.append(math.sqrt(sum(float(p.grad.square().sum()) for p in parameters)))

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", recorded)
    trainer_of(epochs=1, clip=1e-3).fit()
    assert len(norms) == 4
    assert max(norms) < 1.001e-3


def test_workers_change_nothing(trainer_of):
    weights = [
        load_model(trainer_of(epochs=2, workers=workers).fit() / "model.safetensors").model
        for workers in (0, 2)
    ]
    for a, b in zip(*(model.parameters() for model in weights), strict=True):
        assert torch.equal(a, b)


def test_a_non_finite_loss_stops_with_its_name_and_keeps_the_good_checkpoint(trainer_of):
    broken = trainer_of(
        epochs=3, model={"break_at": 6}, checkpoint_interval=1
    )  # the second step of epoch 2
    with pytest.raises(
        NonFiniteLoss, match=r"step 5 \(epoch 2\): loss = nan, pixels = nan\."
    ) as error:
        broken.fit()
    kept, checkpoint = _checkpoints(broken)
    assert kept.name == "001.pth"
    assert str(checkpoint) in str(error.value)
    saved = read_checkpoint(checkpoint)
    assert saved["progress"] == {"epoch": 1, "batch": 0, "step": 4}
    assert all(torch.isfinite(value).all() for value in saved["model"].values())


def test_weights_broken_by_the_last_step_are_not_saved(trainer_of, monkeypatch):
    """The loss was finite, its gradient was not: only the weights show it."""
    broken = trainer_of(epochs=2)
    monkeypatch.setattr(trainer_module, "finite", lambda model: False)
    with pytest.raises(
        NonFiniteLoss, match=r"a weight is not finite after step 4\. There is no checkpoint yet"
    ):
        broken.fit()
    assert not _checkpoints(broken)


def _checkpoints(trainer):
    return sorted(Path(trainer.cfg.EXPS_PATH).rglob("*.pth"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_the_step_saves_and_leaves(trainer_of, number):
    trainer = trainer_of(epochs=50, log_every=100)
    read = type(trainer.data.train).__getitem__
    asked = []

    def item(dataset, key):
        asked.append(key)
        if len(asked) == 10:  # while the third batch is being loaded
            signal.raise_signal(number)
        return read(dataset, key)

    trainer.data.train.__class__ = type(
        "Signalling", (type(trainer.data.train),), {"__getitem__": item}
    )
    with pytest.raises(Stopped):
        trainer.fit()
    assert read_checkpoint(_checkpoints(trainer)[0])["progress"] == {
        "epoch": 0,
        "batch": 3,
        "step": 3,
    }
    assert signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)


def test_a_process_of_many_that_has_saved_ignores_the_signal_passed_on_to_it(monkeypatch):
    """The batch system signals all of them, and the one that started them passes it on: the second
    must not kill.
    """
    monkeypatch.setenv("WORLD_SIZE", "2")
    before = {number: signal.getsignal(number) for number in STOPPING}
    try:
        with stop_requests():
            pass
        assert {number: signal.getsignal(number) for number in STOPPING} == before
        with stop_requests() as request:
            signal.raise_signal(signal.SIGTERM)
        assert request.made
        signal.raise_signal(signal.SIGTERM)
    finally:
        for (
            number,
            handler,
        ) in before.items():  # or later tests would start processes that ignore them
            signal.signal(number, handler)


def test_overrides_reach_every_section(trainer_of):
    changes = {
        "train.optimizer.lr": 0.5,
        "user.max_rounds": 1,
        "model.dropout": 0.7,
        "data.length": 12,
        "val.seed": 4,
    }
    trainer = trainer_of(val=True, overrides=changes)
    assert trainer.config.optimizer["args"]["lr"] == 0.5
    assert trainer.user.max_rounds == 1
    assert trainer.experiment.model["args"]["dropout"] == 0.7
    assert len(trainer.data.train) == 12
    assert trainer.data.val.seed == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train.bach_size": 2}, "batch_size"),
        ({"user.max_round": 2}, "max_rounds"),
        ({"model.dropuot": 2}, "dropout"),
        ({"data.lenght": 2}, "length"),
        ({"train.amp": "bf61"}, "bf16"),
        ({"train.ema": 1.5}, "train.ema=1.5"),
        ({"train.clip": -1.0}, "train.clip=-1.0: expected a number above 0; null switches it off"),
        ({"train.clip": 0}, "train.clip=0"),
        (
            {"train.micro_batch": 0},
            "train.micro_batch=0: expected at least 1; null switches it off",
        ),
        ({"train.optimizer.betas": [2.0, 1.0]}, r"betas=\[2.0, 1.0\]"),
        ({"train.optimizer.lr": -1.0}, "lr=-1.0: expected a positive learning rate"),
        (
            {"train.optimizer.momentum": 0.9},
            r"unknown setting of train.optimizer \(isegm.training.optimisation:Adam\)",
        ),
        ({"user.max_rounds": -1}, "max_rounds=-1"),
        ({"user": spec(Replaying, replay=2.0)}, "replay=2.0: expected a number from 0 to 1"),
        (
            {"user.replay": 0.7},
            r"unknown setting of user \(isegm.training.users.iterative:Iterative\)",
        ),
        ({"train.batch_size": 0}, "train.batch_size=0"),
        ({"clicks.max_rounds": 1}, "unknown section 'clicks'"),
    ],
)
def test_wrong_overrides_say_what_is_right(trainer_of, changes, message):
    with pytest.raises(IsegmError, match=message):
        trainer_of(overrides=changes).fit()


def test_an_epoch_smaller_than_a_batch_is_an_error(trainer_of):
    with pytest.raises(IsegmError, match=r"an epoch has 16 samples, less than one batch of 32"):
        trainer_of(batch_size=32).fit()


def test_weights_start_another_run(trainer_of):
    trained = trainer_of(epochs=2).fit() / "model.safetensors"
    again = trainer_of(epochs=1, lr=1e-12, weights=str(trained)).fit() / "model.safetensors"
    for a, b in zip(
        load_model(trained).model.parameters(), load_model(again).model.parameters(), strict=True
    ):
        assert torch.allclose(a, b, atol=1e-8)


def test_weights_of_another_network_are_refused(trainer_of):
    trained = trainer_of(epochs=1).fit() / "model.safetensors"
    with pytest.raises(
        IsegmError, match=r"do not fit this experiment's network, e\.g\. body\.0\.weight"
    ):
        trainer_of(model={"width": 4}, weights=str(trained)).fit()


def test_unknown_pretrained_weights_name_the_known(trainer_of):
    trainer = trainer_of(pretrained="HRNETV2_W81")
    trainer.cfg.PRETRAINED = {"HRNETV2_W18": "nowhere.pth"}
    with pytest.raises(IsegmError, match="HRNETV2_W18"):
        trainer.fit()


def test_validation_does_not_disturb_training(trainer_of):
    def noisy(model, epoch):
        assert not model.training
        return {"noise": float(torch.rand(()))}

    plain, validated = (
        trainer_of(validate_every=None).fit(),
        trainer_of(val=True, validate=noisy).fit(),
    )
    saved = [
        read_checkpoint(folder / "checkpoints" / "last_checkpoint.pth")["model"]
        for folder in (plain, validated)
    ]
    assert all(torch.equal(value, saved[1][name]) for name, value in saved[0].items())


def test_pictures_show_image_previous_mask_target_and_answer(toy):
    target = torch.zeros(1, 1, 64, 64)
    target[..., :10] = -1
    round_ = Round(
        torch.zeros(1, 3, 64, 64),
        Clicks.of([Click(20, 30, True), Click(50, 10, False)]),
        torch.ones(1, 1, 64, 64),
    )
    sheet = picture(round_, target, torch.full((1, 1, 64, 64), 20.0))
    assert sheet.shape == (64, 256, 3)
    assert sheet[20, 30].tolist() == [0, 200, 0]
    assert sheet[50, 10].tolist() == [230, 0, 0]
    assert np.unique(sheet[:, 64:128]).tolist() == [255]
    assert sorted(np.unique(sheet[:, 128:192]).tolist()) == [0, 127]
    assert sheet[:, 192:].min() >= 254
