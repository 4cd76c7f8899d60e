"""What holds for every simulated user, and the random numbers that they draw."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from painted import Listed, Painted, painted
from probe import probe_gt, probe_image

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.samples import Sample
from isegm.evaluation.evaluate import evaluate
from isegm.evaluation.users.base import USERS, Look, user_of
from isegm.evaluation.users.centre import Centre
from isegm.inference.predictor import Predictor
from isegm.inference.protocol import Protocol
from isegm.inference.views.whole_image import WholeImage
from isegm.reference.evaluation_loop import WholeImageCentre, play_sequentially, slow_user

SAMPLE = Sample(probe_image(), probe_gt(True), "one")
NOTHING = np.zeros(SAMPLE.gt.shape, bool)


def clicked(*clicks: Click, id: str = "one") -> Look:
    """What a user sees after these clicks, when the mask is empty still."""
    session = Predictor(Painted(9), WholeImage()).start(SAMPLE.image)
    return Look(replace(SAMPLE, id=id), NOTHING, replace(session, clicks=clicks))


@pytest.mark.parametrize("name", USERS.names())
def test_every_user_clicks_into_the_image_and_repeats_itself(name: str) -> None:
    first, later = Look(SAMPLE, NOTHING), clicked(Click(133, 186, True), Click(0, 0, False))
    found = [[user.click(look) for look in (first, later, first)] for user in made(name)]
    assert found[0] == found[1]  # two users of the same settings
    assert found[0][0] == found[0][2]  # and nothing is kept from the click between
    for click in found[0]:
        assert 0 <= click.y < NOTHING.shape[0]
        assert 0 <= click.x < NOTHING.shape[1]


def made(name: str) -> list:
    return [user_of(Protocol("test", 1, user=name)) for _ in range(2)]


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
