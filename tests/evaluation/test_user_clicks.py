"""Where each simulated user clicks on errors drawn by hand."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from isegm.cli.flags import parsed_user, with_user
from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.rounds import Session
from isegm.core.samples import Sample
from isegm.evaluation import click_maps
from isegm.evaluation.click_maps.distance import Distance
from isegm.evaluation.regions import around, largest, smallest
from isegm.evaluation.users.base import USERS, Look, User, checked_user
from isegm.evaluation.users.contradictory import Contradictory
from isegm.evaluation.users.drawn import Drawn, in_slice
from isegm.evaluation.users.recorded import Recorded
from isegm.evaluation.users.worst_of import WorstOf
from isegm.inference.protocol import Protocol
from isegm.utils.config import REPOSITORY

PAGE = REPOSITORY / "docs/reference/users.md"

# The object fills rows 10 to 29 and columns 10 to 39. The mask lacks a large piece of it (rows 10
# to 18, columns 10 to 24) and a small one (rows 26 to 28, columns 36 to 38), and holds a piece of
# background (rows 32 to 36, columns 50 to 54).
GT = np.zeros((40, 60), np.int8)
GT[10:30, 10:40] = 1
MASK = GT == 1
MASK[10:19, 10:25] = MASK[26:29, 36:39] = False
MASK[32:37, 50:55] = True
CENTRE = Click(14, 14, True)  # the first of the deepest pixels, 5 deep


def look(mask: np.ndarray = MASK, gt: np.ndarray = GT, id: str = "one", *clicks: Click) -> Look:
    sample = Sample(np.zeros((*gt.shape, 3), np.uint8), gt, id)
    blank = torch.zeros(1, 3, *gt.shape)
    session = Session(blank, blank[:, :1], clicks=clicks) if clicks else None
    return Look(sample, mask, session, dataset="GrabCut")


def clicks_of(name: str, count: int = 60, **settings) -> list[Click]:
    """The first clicks of users with different seeds."""
    users = [checked_user({"name": name, "seed": seed, **settings}) for seed in range(count)]
    return [user.click(look()) for user in users]


def in_large_piece(click: Click) -> bool:
    return 10 <= click.y < 19 and 10 <= click.x < 25 and click.positive


def test_pieces_of_the_error() -> None:
    region = largest(look())
    assert (region.top, region.left, region.pixels.shape) == (10, 10, (9, 15))
    assert region.centre() == CENTRE
    assert smallest(look(), 1).centre() == Click(27, 37, True)
    assert smallest(look(), 10).centre() == Click(34, 52, False)
    assert smallest(look(), 999).centre() == CENTRE  # all are smaller: the largest
    assert around(look(), Click(34, 52, False)).pixels.shape == (5, 5)
    assert around(look(), Click(34, 52, True)) is None
    assert largest(look(GT == 1)) is None
    clicked = look(MASK, GT, "one", Click(27, 36, True))
    assert smallest(clicked, 1).pixels.sum() == 8, "clicked pixels are no error"


def test_equal_pieces_background_first_then_in_row_order() -> None:
    gt = np.zeros((20, 20), np.int8)
    gt[1:3, 1:3] = gt[1:3, 15:17] = 1
    mask = np.zeros_like(gt, bool)
    assert largest(look(mask, gt)).centre() == Click(1, 1, True)
    mask[10:12, 10:12] = True
    assert largest(look(mask, gt)).centre() == Click(10, 10, False)
    assert smallest(look(mask, gt), 1).centre() == Click(10, 10, False)


def test_inside_reaches_all_of_the_largest_piece() -> None:
    clicks = clicks_of("inside", 400)
    assert all(map(in_large_piece, clicks))
    assert {c.y for c in clicks} == set(range(10, 19))
    assert {c.x for c in clicks} == set(range(10, 25))


def test_boundary_stays_near_it() -> None:
    clicks = clicks_of("boundary", share=0.2)  # of 5 pixels: the rim alone
    assert all(map(in_large_piece, clicks))
    assert all(c.y in (10, 18) or c.x in (10, 24) for c in clicks)
    wider = {(c.y, c.x) for c in clicks_of("boundary", 200, share=0.4)}
    depths = {min(y - 9, 19 - y, x - 9, 25 - x) for y, x in wider}
    assert depths == {1, 2}


def test_smallest_takes_details_first() -> None:
    assert checked_user({"name": "smallest"}).click(look()) == Click(27, 37, True)
    assert checked_user({"name": "smallest", "least": 0.02}).click(look()) == Click(34, 52, False)


def test_jitter_without_a_shift_is_the_centre() -> None:
    assert set(clicks_of("jitter", share=0)) == {CENTRE}


def test_jitter_has_the_spread_it_is_given() -> None:
    clicks = clicks_of("jitter", 2000, share=0.05, off_target="keep")
    moved = np.array([(c.y - CENTRE.y, c.x - CENTRE.x) for c in clicks])
    sigma = 0.05 * np.sqrt(600)
    assert np.abs(moved.mean(0)).max() < 0.1
    # rounding to whole pixels adds a variance of 1/12
    assert moved.std(0) == pytest.approx(np.sqrt(sigma**2 + 1 / 12), rel=0.06)


@pytest.mark.parametrize("off_target", ["redraw", "keep", "flip"])
def test_what_becomes_of_jitter_off_the_object(off_target: str) -> None:
    clicks = clicks_of("jitter", 300, share=0.4, off_target=off_target)
    truth = [GT[int(c.y), int(c.x)] == 1 for c in clicks]
    if off_target == "redraw":
        assert all(truth)
        assert all(c.positive for c in clicks)
    else:
        assert not all(truth)
        assert [c.positive for c in clicks] == (truth if off_target == "flip" else [True] * 300)


def contradicted(user: Contradictory, count: int = 20) -> list[bool]:
    made, wrong = [CENTRE], []
    for _ in range(count):
        wrong.append(user.mistaken(look(MASK, GT, "one", *made)))
        made.append(Click(0, len(made), False))
    return wrong


def test_contradictory_makes_its_share_of_mistakes() -> None:
    assert not Contradictory(fraction=1).mistaken(look()), "the first click is right"
    assert contradicted(Contradictory(fraction=0)) == [False] * 20
    assert contradicted(Contradictory(fraction=1)) == [True] * 20
    shares = [np.mean(contradicted(Contradictory(0.3, seed=seed))) for seed in range(60)]
    assert np.mean(shares) == pytest.approx(0.3, abs=0.04)


def test_contradictory_with_the_wrong_sign_or_just_outside() -> None:
    after = look(MASK, GT, "one", Click(20, 30, True))
    assert Contradictory(fraction=1).click(after) == Click(14, 14, False)
    assert Contradictory(fraction=0).click(after) == CENTRE
    for seed in range(40):
        click = Contradictory(fraction=1, kind="outside", reach=0.1, seed=seed).click(after)
        y, x = int(click.y), int(click.x)
        distance = np.hypot(max(10 - y, 0, y - 29), max(10 - x, 0, x - 39))
        assert click.positive
        assert 1 <= distance <= 0.1 * np.sqrt(600)
    full = look(np.zeros((9, 9), bool), np.ones((9, 9), np.int8), "full", Click(0, 0, True))
    assert Contradictory(fraction=1, kind="outside").click(full) == Click(4, 4, False)


def test_mistakes_are_taken_back_only_if_asked_to() -> None:
    after = look(MASK, GT, "one", Click(20, 30, True))
    assert Contradictory(fraction=1, undo=True).takes_back(after)
    assert not Contradictory(fraction=1).takes_back(after)
    assert not Contradictory(fraction=0, undo=True).takes_back(after)


def test_an_undone_click_is_not_made_again() -> None:
    """The numbers drawn after it are those of the next click."""
    user = Contradictory(fraction=0.5, seed=1, undo=True)
    plan = contradicted(user)
    wrong = plan.index(True)
    before = look(MASK, GT, "one", *[Click(0, i, False) for i in range(wrong + 1)])
    assert user.mistaken(before)
    again = replace(before, undone=(user.click(before),))
    assert again.made == before.made + 1
    assert user.mistaken(again) == plan[wrong + 1]
    assert before.rng(0).random() != again.rng(0).random()


def test_candidates_lie_in_the_piece_of_the_centre() -> None:
    user = WorstOf(count=6, seed=3)
    tried = user.candidates(look())
    assert tried[0] == CENTRE
    assert len(set(tried)) == 6
    assert all(map(in_large_piece, tried))
    assert (user.choose([0.4, 0.2, 0.2]), checked_user({"name": "best_of"}).choose([0.4, 0.5])) == (
        1,
        1,
    )
    small = np.zeros((9, 9), np.int8)
    small[4, 4:6] = 1
    assert len(user.candidates(look(np.zeros((9, 9), bool), small))) == 2
    assert WorstOf(count=1).candidates(look()) == (CENTRE,)


def test_slices_of_probability_mass() -> None:
    mass = np.array([1.0, 4, 2, 3])
    assert [in_slice(mass, i, 2).tolist() for i in range(2)] == [[1], [3, 2, 0]]
    assert [in_slice(np.ones(10), i, 10).tolist() for i in range(10)] == [[i] for i in range(10)]
    assert [in_slice(np.array([0.0, 9, 1]), i, 4).tolist() for i in range(4)] == [
        [1],
        [1],
        [1],
        [2],
    ]


def test_drawn_follows_its_map_slice_by_slice() -> None:
    def depths(**settings) -> list[int]:
        clicks = clicks_of("drawn", **settings)
        assert all(c.positive for c in clicks)
        return [
            min(c.y - 9, 19 - c.y, c.x - 9, 25 - c.x) if in_large_piece(c) else 1 for c in clicks
        ]

    first, last, narrow = (
        depths(slice=0),
        depths(slice=9),
        depths(map={"name": "distance", "sigma": 0.01}),
    )
    assert min(first) >= 4 > 2 >= max(last)
    assert set(narrow) == {5}
    assert max(depths()) == 5 > 3 >= min(depths())


def test_a_map_that_is_none_is_named() -> None:
    user = Drawn()
    object.__setattr__(user, "weigh", lambda image, gt, error: -np.ones(gt.shape))
    with pytest.raises(IsegmError, match=r"click map distance returned .* for one"):
        user.click(look())
    object.__setattr__(user, "weigh", lambda image, gt, error: np.zeros(gt.shape))
    assert user.click(look()).positive, "a map of zeros says nothing: all are equally likely"
    assert Distance()(look().sample.image, GT, GT == 1)[20, 20] == 1


CSV = """dataset,full_stem,x,y,click_type
GrabCut,one,12,11,first
GrabCut,one,13,11,subsequent
GrabCut,one,14,12,first
COCO-MVal,img_______2,5,7,first
"""


def recorded(folder: Path, text: str = CSV, **settings) -> Recorded:
    (folder / "clicks.csv").write_text(text)
    return Recorded(str(folder / "clicks.csv"), **settings)


def test_recorded_clicks_come_first(tmp_path: Path) -> None:
    plays = [recorded(tmp_path, play=play).click(look()) for play in range(3)]
    assert plays == [Click(11, 12, True), Click(12, 14, True), Click(11, 12, True)]
    by_seed = {recorded(tmp_path, seed=seed).click(look()) for seed in range(20)}
    assert by_seed == set(plays)
    later = recorded(tmp_path).click(look(MASK, GT, "one", Click(11, 12, True)))
    assert later == CENTRE
    for id_ in ("img#2", "img_2"):
        other = replace(look(id=id_), dataset="COCO_MVal")
        assert recorded(tmp_path).click(other) == Click(7, 5, True)
    own = replace(look(), dataset="folder")
    assert recorded(tmp_path, dataset="GrabCut", play=0).click(own) == Click(11, 12, True)


@pytest.mark.parametrize(
    ("text", "seen", "message"),
    [
        (CSV, look(id="two"), "has no first click on two of GrabCut"),
        (CSV, replace(look(), dataset="GrabCat"), "did you mean GrabCut"),
        (CSV.replace(",12,11,", ",99,11,"), look(), "x=99, y=11 lies outside of one"),
        ("dataset,x,y\n", look(), "lacks the columns click_type, full_stem"),
        (CSV.replace(",12,11,", ",a,11,"), look(), "line 2: could not convert"),
        (CSV.replace("first", "second"), look(), "holds no click of the type 'first'"),
    ],
)
def test_recorded_clicks_that_are_not_there(
    tmp_path: Path, text: str, seen: Look, message: str
) -> None:
    with pytest.raises(IsegmError, match=message):
        recorded(tmp_path, text, play=0).click(seen)


def test_a_missing_file_of_clicks_is_named() -> None:
    with pytest.raises(IsegmError, match=r"nowhere\.csv cannot be read"):
        Recorded("nowhere.csv")


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ("jitter,share=-1", "share is -1; expected a number from 0"),
        ("jitter,share=wide", "share='wide' cannot be used"),
        ("jitter,off_target=fip", "did you mean flip"),
        ("boundary,share=0", "expected a number above 0"),
        ("smallest,least=2", "expected a share from 0 to 1"),
        ("contradictory,fraction=1.5", "expected 0 to 1"),
        ("contradictory,kind=outsid", "did you mean outside"),
        ("contradictory,reach=0", "expected a share above 0"),
        ("contradictory,undo=1", "expected true or false"),
        ("worst_of,count=0", "count is 0; expected a whole number"),
        ("best_of,count=2.5", "count is 2.5; expected a whole number"),
        ("drawn,slice=10", "slice is 10 of 10; expected 0 to slices - 1"),
        ("drawn,map=distnace", "did you mean distance"),
        ("recorded", "simulated user recorded needs a value for path"),
        ("recorded,path=x.csv,play=-1", "play is -1"),
        ("inside,sed=1", "did you mean seed"),
        ("insde", "did you mean inside"),
        ("jitter,share", "'share' is no setting; expected key=value"),
        ("jitter,seed=1,seed=2", "'seed=2' is no setting"),
        ("jitter,seed=[", "is no value of seed"),
    ],
)
def test_wrong_users_are_answered(user: str, message: str) -> None:
    with pytest.raises(IsegmError, match=message):
        parsed_user(user)


def test_a_user_of_the_command_line_stands_in_the_label() -> None:
    plain = Protocol("ritm", 1)
    assert with_user(plain, parsed_user("centre")).label == "ritm v1"
    changed = with_user(plain, parsed_user("jitter, share=0.2, off_target=keep, seed=3"))
    assert changed.label == "ritm v1 (user=jitter(share=0.2, off_target=keep, seed=3))"
    own = Protocol("own", 1, user={"name": "jitter", "seed": 3})
    assert with_user(own, parsed_user("jitter,share=0.2")).label == "own v1 (user.share=0.2)"


@pytest.mark.parametrize("name", ["jitter", "inside", "boundary", "drawn", "worst_of", "best_of"])
def test_seeds_differ(name: str) -> None:
    assert len({tuple(_tried(name, seed)) for seed in range(8)}) > 4
    assert _tried(name, 3) == _tried(name, 3)


def _tried(name: str, seed: int) -> list[Click]:
    user: User = checked_user({"name": name, "seed": seed})
    return list(user.candidates(look()))


@pytest.mark.parametrize("name", ["inside", "boundary", "smallest", "worst_of", "drawn"])
def test_without_an_error_a_negative_click_in_the_corner(name: str) -> None:
    assert checked_user({"name": name}).candidates(look(GT == 1)) == (Click(0, 0, False),)


def test_the_example_of_a_click_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A map is one new file: that of docs/reference/users.md, added to the package."""
    page = PAGE.read_text()
    ((file, source),) = re.findall(
        r"<!-- file: (\S+) -->\n```python\n(.*?)^```$", page, re.M | re.S
    )
    (tmp_path / Path(file).name).write_text(source)
    monkeypatch.setattr(click_maps, "__path__", [*click_maps.__path__, str(tmp_path)])
    user = checked_user({"name": "drawn", "map": {"name": "bright", "power": 3}})
    seen = look()
    seen.sample.image[12, 13] = 255  # the only pixel in the error that is not black
    assert user.click(seen) == Click(12, 13, True)
    with pytest.raises(IsegmError, match="unknown setting of click map bright 'pover'"):
        checked_user({"name": "drawn", "map": {"name": "bright", "pover": 3}})


def test_the_page_names_every_user_and_its_settings() -> None:
    rows = re.findall(r"^\| \[(\w+)\]\(#[\w-]+\) \| .* \| (.*) \|$", PAGE.read_text(), re.M)
    assert sorted(name for name, _ in rows) == USERS.names()
    for name, settings in rows:
        made = [f.name for f in dataclasses.fields(USERS.part(name)) if f.init]
        assert re.findall(r"`(\w+)`", settings) == made
