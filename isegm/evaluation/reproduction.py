"""Measured beside published: each published number of a checkpoint, and what a run says of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isegm.evaluation.ledger import PublishedRow
from isegm.evaluation.report import markdown
from isegm.evaluation.results import DatasetResult
from isegm.evaluation.statistics import Interval, interval, readable
from isegm.inference.protocol import load_protocol
from isegm.zoo.entries import Entry, PublishedRows

CARD = "its card"
HEADER = ("data set", "judged by", "metric", "published", "source", "measured", "95 % interval")
HEADER += ("difference", "inside")


@dataclass(frozen=True)
class Setting:
    """How a checkpoint is judged on a data set.

    Attributes:
        protocol: a name in ``configs/eval``.
        mode: of ``isegm evaluate``.
    """

    dataset: str
    protocol: str
    mode: str


@dataclass(frozen=True)
class Claim:
    """A published number.

    Attributes:
        metric: e.g. ``"NoC@90"``.
        value: clicks; for ``fail`` and ``mIoU`` a share, 0 to 1.
        source: where it is printed.
        note: what the ledger says of it, often empty.
    """

    setting: Setting
    metric: str
    value: float
    source: str
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """A published number and what was measured.

    Attributes:
        measured: None if the data set was not evaluated, or the protocol stops before the metric.
    """

    claim: Claim
    measured: Interval | None = None

    @property
    def inside(self) -> bool:
        """Whether the published number lies in the interval of the measured mean, as far as the
        digits that are printed can tell.
        """
        half = 0.5 / (10 ** _digits(self.claim.metric) * _factor(self.claim.metric))
        found = self.measured
        return found is not None and found.low - half <= self.claim.value <= found.high + half


def ledger_claims(entry: Entry, rows: Iterable[PublishedRow]) -> tuple[Claim, ...]:
    """What the ledger says of a checkpoint of the zoo: every source, also one that contradicts the
    entry's own.
    """
    return tuple(
        Claim(
            Setting(dataset.replace(" ", "_"), entry.protocol, wanted.mode),
            metric,
            value,
            row.source,
            row.note,
        )
        for row in rows
        for wanted in entry.published
        if _about(row, entry, wanted)
        for (dataset, metric), value in row.values.items()
    )


def _about(row: PublishedRow, entry: Entry, wanted: PublishedRows) -> bool:
    network = (row.method, row.train_set) == (wanted.method, wanted.train_set)
    return network and row.backbone in (wanted.backbone, *entry.quoted_as)


def card_claims(card: Mapping[str, Any], protocol: str) -> tuple[Claim, ...]:
    """What a checkpoint's own card says (``isegm.evaluation.card``) under a protocol as it is."""
    return tuple(
        Claim(Setting(row["dataset"], protocol, row["mode"]), metric, found["value"], CARD)
        for row in card["numbers"]["rows"]
        if row["protocol"] == load_protocol(protocol).label
        for metric, found in row["metrics"].items()
    )


def compared(claims: Sequence[Claim], results: Mapping[Setting, DatasetResult]) -> list[Comparison]:
    """Every claim beside what was measured, data set by data set.

    Raises:
        IsegmError: a data set has objects of a single image; see ``interval``.
    """
    known: dict[tuple[Setting, str], Interval] = {}
    for claim in claims:
        result, key = results.get(claim.setting), (claim.setting, claim.metric)
        if result and key not in known and readable(result, claim.metric):
            known[key] = interval(result, claim.metric)
    order = list(dict.fromkeys((c.setting, c.metric) for c in claims))
    ordered = sorted(claims, key=lambda claim: order.index((claim.setting, claim.metric)))
    return [Comparison(claim, known.get((claim.setting, claim.metric))) for claim in ordered]


def table(comparisons: Sequence[Comparison], labels: Mapping[str, str]) -> list[str]:
    """A Markdown table, its summary and the notes of the ledger, in lines.

    Args:
        labels: of protocols, with their versions, by name.
    """
    lines = markdown(HEADER, [_row(each, labels) for each in comparisons])
    measured = [each for each in comparisons if each.measured is not None]
    inside = sum(each.inside for each in measured)
    about = "lie inside the 95 % interval of the measured mean"
    lines += ["", f"{inside} of {len(measured)} published numbers {about}."]
    if left := len(comparisons) - len(measured):
        lines.append(f"Published but not measured: {left}.")
    claims = [each.claim for each in comparisons if each.claim.note]
    return lines + list(dict.fromkeys(f"Note on {claim.source}: {claim.note}." for claim in claims))


def _row(each: Comparison, labels: Mapping[str, str]) -> list[str]:
    claim, found = each.claim, each.measured
    setting = claim.setting
    cells = [setting.dataset, f"{labels[setting.protocol]}, {setting.mode}", claim.metric]
    cells += [_shown(claim.metric, claim.value), claim.source]
    if found is None:
        return [*cells, "-", "-", "-", "-"]
    low, high = _shown(claim.metric, found.low), _shown(claim.metric, found.high)
    difference = _shown(claim.metric, found.value - claim.value, "+")
    verdict = "yes" if each.inside else "no"
    return [*cells, _shown(claim.metric, found.value), f"[{low}, {high}]", difference, verdict]


def _shown(metric: str, value: float, sign: str = "") -> str:
    """Clicks with two digits, shares as percent with one; a difference of nothing has no sign."""
    digits = _digits(metric)
    rounded = round(_factor(metric) * value, digits) + 0.0
    return f"{rounded:{sign if rounded else ''}.{digits}f}"


def _factor(metric: str) -> int:
    return 1 if metric.startswith("NoC") else 100


def _digits(metric: str) -> int:
    return 2 if metric.startswith("NoC") else 1
