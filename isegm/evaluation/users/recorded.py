"""Real first clicks, recorded from people, and the published user after them.

Reads the clicks of RClicks (arXiv 2410.11722): a CSV file with the columns ``dataset, full_stem, x,
y, click_type``. A row of the type ``first`` is one click in a fresh session; rows of other types
were made on answers of certain networks and are passed over. An object of an image that has several
is called ``<image>_______<number>``.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError, unknown
from isegm.evaluation.users.base import Look, User
from isegm.evaluation.users.centre import next_click

COLUMNS = ("dataset", "full_stem", "x", "y", "click_type")
SEVERAL = "_______"  # between the image and the number of the object
Places = dict[str, dict[str, list[tuple[float, float]]]]  # (y, x) by data set and object


@dataclass(frozen=True)
class Recorded(User):
    """The first click is a positive one that a person made; later ones are those of ``centre``.

    An object without a recorded click is skipped and counted.

    Attributes:
        path: the CSV file.
        play: which of an object's recorded clicks, numbered from 0 in the order of the file; past
            the last one, numbering wraps around. None draws one by the seed.
        seed: of the random numbers.
        dataset: what the file calls the data set, e.g. for a folder of images; None: its name here,
            apart from case and punctuation.

    Raises:
        IsegmError: no such file, or not of this layout.
    """

    path: str
    play: int | None = None
    seed: int = 0
    dataset: str | None = None
    places: Places = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.play is not None and self.play < 0:
            raise IsegmError(f"recorded: play is {self.play}; expected a number from 0 on, or null")
        object.__setattr__(self, "places", read_first_clicks(Path(self.path).expanduser()))

    def click(self, look: Look) -> Click:
        if look.made:
            return next_click(look.mask, look.gt, look.clicks)
        found = self._places(look)
        draw = self.play
        if draw is None:
            draw = int(look.rng(self.seed).integers(len(found)))
        y, x = found[draw % len(found)]
        height, width = look.gt.shape
        if not (0 <= y < height and 0 <= x < width):
            raise IsegmError(
                f"{self.path}: the click at x={x:g}, y={y:g} lies outside of {look.sample.id}, an"
                f" image of {width} columns and {height} rows; is it another version of it?"
            )
        return Click(y, x, True)

    def _places(self, look: Look) -> list[tuple[float, float]]:
        dataset = self.dataset or look.dataset
        known = {_plain(name): objects for name, objects in self.places.items()}
        if _plain(dataset) not in known:
            raise unknown(f"data set in {self.path}", dataset, self.places)
        for name in names_of(look.sample.id):
            if name in known[_plain(dataset)]:
                return known[_plain(dataset)][name]
        raise IsegmError(f"{self.path} has no first click on {look.sample.id} of {dataset}")


def read_first_clicks(path: Path) -> Places:
    """The places of all rows of the type ``first``, in the order of the file.

    Raises:
        IsegmError: no such file, other columns, a place that is none, or no such row.
    """
    places: Places = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if missing := set(COLUMNS) - set(rows.fieldnames or ()):
                raise IsegmError(
                    f"{path} lacks the columns {', '.join(sorted(missing))}; expected"
                    f" {', '.join(COLUMNS)}, as in clicks.csv of RClicks"
                )
            for row in rows:
                if row["click_type"] == "first":
                    objects = places.setdefault(row["dataset"], {})
                    place = (float(row["y"]), float(row["x"]))
                    objects.setdefault(row["full_stem"], []).append(place)
    except OSError as error:
        raise IsegmError(
            f"recorded: {path} cannot be read ({error.strerror}); path must be a CSV file of"
            " recorded clicks, e.g. clicks.csv of RClicks"
        ) from None
    except (TypeError, ValueError) as error:
        raise IsegmError(f"{path}, line {rows.line_num}: {error}") from None
    if not places:
        raise IsegmError(f"{path} holds no click of the type 'first'")
    return places


def names_of(object_id: str) -> list[str]:
    """What an object of a data set may be called in the file."""
    numbered = re.fullmatch(r"(.+)[#_](\d+)", object_id)
    return [object_id] + ([f"{numbered[1]}{SEVERAL}{numbered[2]}"] if numbered else [])


def _plain(name: str) -> str:
    """COCO-MVal is COCO_MVal."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


USER = Recorded
