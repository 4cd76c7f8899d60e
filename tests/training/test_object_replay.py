"""FCA-Net's training: objects that come back with one click more, and its schedule."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from launching import SCRIPT, asked, assert_close, result, train

from isegm.core.clicks import Click, Clicks
from isegm.core.errors import IsegmError
from isegm.core.registry import spec
from isegm.training.batches import GlobalBatches
from isegm.training.optimisation import SGD, Polynomial
from isegm.training.trainer import Trainer
from isegm.training.users.iterative import Iterative
from isegm.training.users.replay import ObjectMemory, Record, Replaying, correction

ALWAYS = Replaying(replay=1.0)


class Alone:
    """A training of one process."""

    def gather(self, value):
        return [value]


class Turned:
    """Sixteen images in an order that turns by five from epoch to epoch."""

    def index_of(self, epoch: int, position: int) -> int:
        return (position + 5 * epoch) % 16


def wrong(found: np.ndarray) -> torch.Tensor:
    return torch.where(torch.from_numpy(found), 4.0, -4.0)[None, None]


def test_the_correction_is_the_deepest_error() -> None:
    wanted, found = np.zeros((20, 20)), np.zeros((20, 20), bool)
    wanted[2:9, 2:9], found[12:15, 12:15] = 1, True
    assert correction(found, wanted, []) == (5, 5, 1)
    assert correction(found, wanted, [Click(5, 5, True)]) != (5, 5, 1)
    assert correction(found | (wanted > 0), wanted, []) == (13, 13, 0)
    assert correction(wanted > 0, wanted, []) is None
    ignored = np.where(found, -1.0, wanted)
    assert correction(found | (wanted > 0), ignored, []) is None


def test_equal_depths_give_a_background_click() -> None:
    wanted, found = np.zeros((9, 9)), np.zeros((9, 9), bool)
    wanted[1:4, 1:4], found[5:8, 5:8] = 1, True
    assert correction(found, wanted, []) == (6, 6, 0)


def test_an_object_comes_back_under_its_first_key_with_its_clicks() -> None:
    replay, target = ObjectMemory(ALWAYS, 0, Turned()), torch.zeros(1, 1, 9, 9)
    target[..., 2:7, 2:7] = 1
    known, keys = Clicks.of([Click(4, 4, True)]), []
    for epoch, expected in ((0, 0), (1, 1), (2, 2)):
        position = (3 - 5 * epoch) % 16  # where image 3 stands in this epoch
        record = replay.record_of((epoch, position))
        assert len(record.clicks) == expected
        keys.append(record.key)
        shown = replay.continued(known, [(epoch, position)])
        assert shown.label.shape == (1, 1 + expected)
        replay.learn([(epoch, position)], wrong(np.zeros((9, 9), bool)), target, shown)
        assert len(replay.record_of((epoch, position)).clicks) == expected, (
            "it counts from the next epoch on"
        )
        replay.end_epoch(Alone())
    assert keys == [(0, 3)] * 3
    clicks = replay.records[3].clicks
    assert len(set(clicks)) == 3, "no pixel is clicked twice"
    assert (4, 4, 1) not in clicks


def test_a_perfect_answer_gets_no_click_but_is_remembered() -> None:
    replay, target = ObjectMemory(ALWAYS, 0, Turned()), torch.zeros(1, 1, 9, 9)
    replay.learn([(0, 3)], wrong(np.zeros((9, 9), bool)), target, Clicks.of([]))
    replay.end_epoch(Alone())
    assert replay.record_of((1, 14)) == Record((0, 3))


def test_the_threshold_is_a_fifth() -> None:
    target = torch.zeros(1, 1, 9, 9)
    target[..., 2:7, 2:7] = 1
    for prob, expected in ((0.21, 0), (0.19, 1)):
        replay = ObjectMemory(ALWAYS, 0, Turned())
        logits = torch.where(target > 0, torch.tensor(prob), torch.tensor(0.01)).logit()
        replay.learn([(0, 3)], logits, target, Clicks.of([]))
        replay.end_epoch(Alone())
        assert len(replay.records[3].clicks) == expected


def test_how_often() -> None:
    replay = ObjectMemory(Replaying(replay=0.7), 5, Turned())
    replay.records = {index: Record((0, index)) for index in range(16)}
    drawn = [
        replay.record_of((epoch, position)).key[0] == 0
        for epoch in range(1, 100)
        for position in range(16)
    ]
    assert np.mean(drawn) == pytest.approx(0.7, abs=0.04)
    forgetful = Iterative().memory(5, None)
    assert forgetful.batches(planned := [[(3, 4)]]) is planned


def test_batches_ask_for_the_keys_of_the_replayed() -> None:
    replay, planned = ObjectMemory(ALWAYS, 0, Turned()), GlobalBatches(16, 4)
    assert list(replay.batches(planned)) == list(planned)
    replay.records, planned.epoch = {index: Record((0, index)) for index in range(8)}, 1
    loaded = [key for keys in replay.batches(planned) for key in keys]
    assert sorted(loaded) == sorted(
        [(0, index) for index in range(8)] + [(1, (i - 5) % 16) for i in range(8, 16)]
    )


def test_processes_share_what_they_learned() -> None:
    wrong_everywhere, nothing = wrong(np.ones((9, 9), bool)), torch.zeros(1, 1, 9, 9)
    keys = [(0, position) for position in range(8)]
    alone, two = (
        ObjectMemory(ALWAYS, 0, Turned()),
        [ObjectMemory(ALWAYS, 0, Turned()) for _ in range(2)],
    )
    for i, key in enumerate(keys):
        for replay in (alone, two[i % 2]):
            replay.learn([key], wrong_everywhere, nothing, Clicks.of([Click(4, 4, False)][: i % 2]))
    learned = [dict(replay._learned) for replay in two]

    class Joined:
        def gather(self, value):
            return learned

    for replay, process in ((alone, Alone()), (two[0], Joined()), (two[1], Joined())):
        replay.end_epoch(process)
    assert alone.records == two[0].records == two[1].records
    assert set(alone.records) == set(range(8))


def test_state() -> None:
    replay = ObjectMemory(ALWAYS, 0, Turned())
    replay.learn([(0, 3)], wrong(np.ones((9, 9), bool)), torch.zeros(1, 1, 9, 9), Clicks.of([]))
    replay.end_epoch(Alone())
    replay.learn([(1, 2)], wrong(np.ones((9, 9), bool)), torch.zeros(1, 1, 9, 9), Clicks.of([]))
    again = ObjectMemory(ALWAYS, 0, Turned())
    again.load_state_dict(replay.state_dict(Alone()))
    for each in (replay, again):
        each.end_epoch(Alone())
    assert again.records == replay.records
    assert set(again.records) == {3, 7}


class TestTraining:
    @pytest.fixture
    def replaying(self, toy, trainer_of, monkeypatch: pytest.MonkeyPatch):
        """A trainer that replays, and the keys and numbers of clicks of every step."""
        monkeypatch.setattr(toy.Discs, "index_of", Turned.index_of, raising=False)

        def made(run=None, epochs=3, **train) -> tuple[Trainer, list]:
            user = spec(Replaying, replay=0.7)
            return trainer_of(
                run=run, epochs=epochs, model={"dropout": 0.0}, user=user, **train
            ), []

        return made

    def test_clicks_grow(self, replaying, monkeypatch: pytest.MonkeyPatch) -> None:
        trainer, counts = replaying()
        real = ObjectMemory.continued

        def watched(self, clicks: Clicks, keys) -> Clicks:
            shown = real(self, clicks, keys)
            counts.extend((shown.label >= 0).sum(1).tolist())
            return shown

        monkeypatch.setattr(ObjectMemory, "continued", watched)
        trainer.fit()
        first, second, third = counts[:16], counts[16:32], counts[32:]
        assert set(first) == {1}
        assert set(second) == {1, 2}
        assert max(third) == 3
        replayed = [key for key in trainer.data.train.asked[16:] if key[0] == 0]
        assert len(replayed) > 8

    @pytest.mark.parametrize("stop", [4, 6])
    def test_a_resume_goes_on_exactly(self, replaying, stop: int) -> None:
        whole = torch.load(
            replaying()[0].fit() / "checkpoints/last_checkpoint.pth", weights_only=True
        )
        stopped = replaying(max_steps=stop)[0].fit()
        resumed = torch.load(
            replaying(run={"resume": str(stopped)})[0].fit() / "checkpoints/last_checkpoint.pth",
            weights_only=True,
        )
        assert resumed["memory"] == whole["memory"]
        assert len(whole["memory"]["records"]) == 16
        assert all(
            torch.equal(resumed["model"][key], whole["model"][key]) for key in whole["model"]
        )

    def test_sgd_with_the_polynomial_schedule(self, trainer_of) -> None:
        folder = trainer_of(
            epochs=3,
            optimizer=spec(SGD, lr=1e-2, momentum=0.9, weight_decay=5e-4),
            schedule=spec(Polynomial, epochs=2),
        ).fit()
        saved = torch.load(Path(folder) / "checkpoints/last_checkpoint.pth", weights_only=True)
        assert saved["optimizer"]["param_groups"][0]["momentum"] == 0.9
        assert saved["optimizer"]["param_groups"][0]["lr"] == pytest.approx(1e-2 * 0.5**0.9)


REPLAY = "user={target: 'isegm.training.users.replay:Replaying', args: {replay: 0.7}}"
# Two real processes over gloo. They stop after three steps, in the middle of the second epoch.
WORDS = (SCRIPT, "--cpu", "--batch-size", 8, "--epochs", 3, "--set", REPLAY)


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("single")
    train(folder, *WORDS)
    return folder


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stopped")
    train(folder, *WORDS, "--set", "train.max_steps=3", "--ngpus", 2)
    return folder


def test_either_process_shows_what_the_other_remembers(stopped: Path) -> None:
    first, later = zip(
        *((keys[:8], keys[8:]) for keys in (asked(stopped, 0), asked(stopped, 1))), strict=True
    )
    assert set(later[0]) & set(first[1])
    assert set(later[1]) & set(first[0])


@pytest.mark.parametrize("processes", [2, 1])
def test_processes_learn_from_replayed_objects_what_one_learns(
    single: Path, stopped: Path, tmp_path: Path, processes: int
) -> None:
    folder = shutil.copytree(stopped, tmp_path / "resumed")
    train(folder, *WORDS, "--resume", "auto", *(["--ngpus", processes] if processes > 1 else []))
    (expected, _), (found, _) = result(single), result(folder)
    assert_close(expected, found)
    assert found["memory"] == expected["memory"]
    assert len(found["memory"]["records"]) == 16, "every image is remembered, once"
    assert max(len(clicks) for _, clicks in found["memory"]["records"].values()) == 3
    assert sorted(asked(folder, 0) + asked(folder, 1)) == sorted(asked(single, 0))


def test_the_schedule_has_a_constant_tail(toy) -> None:
    optimizer = SGD(lr=0.007, momentum=0.9, weight_decay=5e-4).of(toy.Toy())
    schedule, factors = Polynomial(epochs=30).of(optimizer), {}
    for epoch in range(33):
        factors[epoch] = optimizer.param_groups[0]["lr"] / 0.007
        optimizer.step()
        schedule.step()
    assert [factors[e] for e in (0, 1, 10, 29)] == pytest.approx(
        [1.0, 0.96995, 0.69425, 0.04684], abs=5e-6
    )
    assert factors[29] == factors[30] == factors[32]
    assert [group["momentum"] for group in optimizer.param_groups] == [0.9, 0.9]
    assert sorted(group["initial_lr"] for group in optimizer.param_groups) == [0.0035, 0.007]


def test_mistakes() -> None:
    with pytest.raises(IsegmError, match=r"momentum=1\.0"):
        SGD(lr=0.1, momentum=1.0)
    with pytest.raises(IsegmError, match="epochs=0 of the schedule"):
        Polynomial(epochs=0)
    with pytest.raises(IsegmError, match="answer_threshold=2"):
        Replaying(answer_threshold=2)
