"""What holds for every simulated user, and the random numbers that they draw."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.multiprocessing
from painted import Listed, Painted, painted
from probe import ProbeNet, probe_gt, probe_image

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.samples import Sample
from isegm.evaluation.evaluate import Run, evaluate
from isegm.evaluation.lockstep import Clock, LockStep, LockStepSettings
from isegm.evaluation.metrics import mask_iou
from isegm.evaluation.results import ObjectRecord
from isegm.evaluation.users.base import USERS, Look, clicks_to_try, user_of
from isegm.evaluation.users.centre import Centre
from isegm.inference.predictor import Predictor
from isegm.inference.protocol import NO_STOP, Protocol
from isegm.inference.views.whole_image import WholeImage
from isegm.reference.evaluation_loop import WholeImageCentre, play_sequentially, slow_user
from isegm.utils.processes import joined

SAMPLE = Sample(probe_image(), probe_gt(True), "one")
NOTHING = np.zeros(SAMPLE.gt.shape, bool)


def clicked(*clicks: Click, id: str = "one") -> Look:
    """What a user sees after these clicks, when the mask is empty still."""
    session = Predictor(Painted(9), WholeImage()).start(SAMPLE.image)
    return Look(replace(SAMPLE, id=id), NOTHING, replace(session, clicks=clicks))


@pytest.mark.parametrize("name", USERS.names())
def test_every_user_clicks_into_the_image_and_repeats_itself(name: str, clicks_csv: Path) -> None:
    first, later = Look(SAMPLE, NOTHING), clicked(Click(133, 186, True), Click(0, 0, False))
    users = made(chosen(name, clicks_csv))
    found = [[user.click(look) for look in (first, later, first)] for user in users]
    assert found[0] == found[1]  # two users of the same settings
    assert found[0][0] == found[0][2]  # and nothing is kept from the click between
    for click in found[0]:
        assert 0 <= click.y < NOTHING.shape[0]
        assert 0 <= click.x < NOTHING.shape[1]


@pytest.fixture
def clicks_csv(tmp_path: Path) -> Path:
    """Recorded first clicks on the objects of these tests."""
    rows = [f"listed,sample{i},{180 + 5 * i},130,first" for i in range(5)]
    rows.append("listed,one,186,133,first")
    path = tmp_path / "clicks.csv"
    path.write_text("\n".join(["dataset,full_stem,x,y,click_type", *rows]))
    return path


def chosen(name: str, clicks_csv: Path) -> dict:
    """A user with settings that make it do what it is there for within a few clicks."""
    settings = {
        "recorded": {"path": str(clicks_csv), "dataset": "listed"},
        "contradictory": {"fraction": 0.5, "undo": True, "seed": 1},
        "worst_of": {"count": 3},
        "best_of": {"count": 3},
    }
    return {"name": name, **settings.get(name, {})}


def made(user: dict) -> list:
    return [user_of(Protocol("test", 1, user=user)) for _ in range(2)]


def scenes(count: int = 5) -> Listed:
    cuts = [np.s_[: 240 - 10 * i, : 320 - 10 * i] for i in range(count)]
    image, gt = probe_image(), probe_gt(True)
    return Listed([Sample(image[c].copy(), gt[c].copy(), f"sample{i}") for i, c in enumerate(cuts)])


def protocol_of(user: dict) -> Protocol:
    return Protocol("test", 1, user=user, stop_iou=NO_STOP, max_clicks=5)


def records(protocol: Protocol, data: Listed, window: int = 4, **settings: int) -> list[tuple]:
    predictor = protocol.predictor(ProbeNet(True), max_pixels=4 * 400 * 400)
    layout = LockStepSettings(window=window, **settings)
    objects = evaluate(predictor, data, protocol, settings=layout).objects
    return [(o.id, o.clicks, o.ious, o.undone) for o in objects]


@pytest.mark.parametrize("name", USERS.names())
def test_every_user_is_the_same_in_any_layout_of_the_work(name: str, clicks_csv: Path) -> None:
    protocol, data = protocol_of(chosen(name, clicks_csv)), scenes()
    expected = records(protocol, data, window=1)
    assert len(expected) == 5
    assert records(protocol, data, window=4, threads=3) == expected
    assert records(protocol, data, window=16, threads=4, passes=2) == expected
    predictor = protocol.predictor(ProbeNet(True), max_pixels=4 * 400 * 400)
    shard = dict(LockStep(predictor, data, protocol, Clock()).run([3, 1]))  # a second process's
    assert [(shard[i].clicks, shard[i].undone) for i in (1, 3)] == [
        (expected[i][1], expected[i][3]) for i in (1, 3)
    ]


def _part(rank: int, port: int, folder: str) -> None:
    os.environ.update(
        RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    torch.set_num_threads(1)
    with joined(torch.device("cpu")) as process:
        for name in USERS.names():
            protocol = protocol_of(chosen(name, Path(folder, "clicks.csv")))
            predictor = protocol.predictor(ProbeNet(True))
            found = evaluate(predictor, scenes(3), protocol, run=Run(process=process)).objects
            if process.first:
                text = json.dumps([[o.clicks, o.undone] for o in found])
                Path(folder, f"{name}.json").write_text(text)


def test_two_processes_make_the_clicks_of_one(clicks_csv: Path) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    torch.multiprocessing.spawn(_part, (port, str(clicks_csv.parent)), nprocs=2)
    for name in USERS.names():
        alone = records(protocol_of(chosen(name, clicks_csv)), scenes(3))
        shared = json.loads(clicks_csv.with_name(f"{name}.json").read_text())
        assert shared == json.loads(json.dumps([[c, u] for _, c, _, u in alone])), name


@pytest.mark.parametrize("name", USERS.names())
def test_the_slow_loop_plays_every_user_alike(name: str, clicks_csv: Path) -> None:
    protocol, data = protocol_of(chosen(name, clicks_csv)), scenes(3)
    predictor = protocol.predictor(ProbeNet(True))
    slow = evaluate(
        predictor, data, protocol, player=partial(play_sequentially, predictor, data, protocol)
    ).objects
    fast = records(protocol, data)
    assert [(o.id, o.clicks, o.undone) for o in slow] == [(i, c, u) for i, c, _, u in fast]
    for one, (_, _, ious, _) in zip(slow, fast, strict=True):
        assert one.ious == pytest.approx(ious, abs=1e-4)


def test_an_undone_click_counts_and_leaves_no_trace() -> None:
    protocol = protocol_of({"name": "contradictory", "fraction": 0.5, "undo": True, "seed": 1})
    found = records(protocol, scenes())
    assert any(undone for *_, undone in found)
    predictor = protocol.predictor(ProbeNet(True))
    for (_, clicks, ious, undone), sample in zip(found, scenes().samples, strict=True):
        assert len(clicks) == len(ious) == 5
        assert 4 not in undone, "nobody undoes the last click"
        session = predictor.start(sample.image)
        for i, (y, x, label) in enumerate(clicks):
            after = predictor.click(session, Click(y, x, bool(label)))
            mask = (after.prob[0, 0] > protocol.mask_threshold).numpy()
            assert mask_iou(mask, sample.gt) == ious[i]
            session = session if i in undone else after


def test_the_worst_and_the_best_candidate_are_kept() -> None:
    data, first = scenes(), []
    for name in ("worst_of", "centre", "best_of"):
        user = {"name": name} if name == "centre" else {"name": name, "count": 6}
        protocol = replace(protocol_of(user), max_clicks=1)
        first.append([ious[0] for _, _, ious, _ in records(protocol, data)])
    worst, centre, best = np.array(first)
    assert (worst <= centre).all()
    assert (centre <= best).all()
    assert (worst < best).all()


def test_records_of_undone_clicks_are_written_and_read() -> None:
    one = ObjectRecord("a", ((1, 2, 1), (3, 4, 0)), (0.5, 0.4), (0.1, 0.1), undone=(0,))
    assert ObjectRecord.from_json(one.as_json()) == one
    assert "undone" not in replace(one, undone=()).as_json(), "files without are as they were"


def test_an_object_without_a_recorded_click_is_skipped(clicks_csv: Path) -> None:
    protocol = protocol_of({"name": "recorded", "path": str(clicks_csv)})
    data = Listed([*scenes(1).samples, replace(SAMPLE, id="other")])
    predictor = protocol.predictor(ProbeNet(True))
    for player in (None, partial(play_sequentially, predictor, data, protocol)):
        result = evaluate(predictor, data, protocol, player=player)
        assert [o.id for o in result.objects] == ["sample0"]
        assert result.objects[0].clicks[0] == (130, 180, 1)
        ((name, reason),) = result.skipped
        assert name == "other"
        assert "has no first click on other of listed" in reason


class NoClick(Centre):
    def candidates(self, look: Look) -> tuple[Click, ...]:
        return ()


def test_a_user_must_try_something() -> None:
    with pytest.raises(IsegmError, match=r"NoClick.candidates returned no click"):
        clicks_to_try(NoClick(), Look(SAMPLE, NOTHING))


def test_the_published_user_is_the_default() -> None:
    assert user_of(Protocol("test", 1)) == user_of(Protocol("test", 1, user="centre")) == Centre()
    assert Protocol("test", 1, user="centre") == Protocol("test", 1)
    assert slow_user(Centre()) == WholeImageCentre()


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ("center", "unknown simulated user 'center'; did you mean centre"),
        ({"name": "centre", "seed": 3}, "unknown setting of simulated user centre 'seed'"),
    ],
)
@pytest.mark.parametrize("sequential", [False, True])
def test_wrong_users_are_named_before_anything_is_played(user, message, sequential: bool) -> None:
    protocol, data = Protocol("test", 1, user=user), Listed([painted(0)])
    predictor = protocol.predictor(Painted(0))
    player = partial(play_sequentially, predictor, data, protocol) if sequential else None
    with pytest.raises(IsegmError, match=message):
        evaluate(predictor, data, protocol, player=player)


def draw(look: Look, seed: int = 0, **options: bool) -> list[int]:
    return look.rng(seed, **options).integers(1000, size=3).tolist()


def test_random_numbers_follow_from_seed_object_and_number_of_clicks() -> None:
    one, two = Click(1, 2, True), Click(3, 4, False)
    first = draw(Look(SAMPLE, NOTHING))
    assert first == draw(Look(SAMPLE, ~NOTHING)) == draw(clicked())
    assert draw(clicked(one)) == draw(clicked(two))
    different = [first, draw(clicked(one)), draw(clicked(one, two)), draw(clicked(id="two"))]
    different += [draw(clicked(), seed=1), draw(clicked(), for_object=True)]
    assert len({tuple(drawn) for drawn in different}) == len(different)
    assert draw(clicked(), for_object=True) == draw(clicked(one, two), for_object=True)


def test_random_numbers_stay_the_same_from_version_to_version() -> None:
    """Results with a seed could not be repeated otherwise."""
    assert draw(Look(SAMPLE, NOTHING), seed=3) == [219, 269, 584]
