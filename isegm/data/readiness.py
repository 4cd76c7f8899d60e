"""Is an evaluation set here, and is it the one of the literature?"""

from __future__ import annotations

from dataclasses import dataclass

from easydict import EasyDict

from isegm.core.errors import IsegmError, unknown
from isegm.data.catalogue import CATALOGUE, DataSet, Subset
from isegm.data.checking import check
from isegm.data.evaluation_sets import evaluation_set, evaluation_sets
from isegm.zoo.entries import for_key

OK, MISSING, WRONG = "ok", "missing", "wrong"
SAMPLES = 10  # read of a set: enough to notice that it does not open; evaluating reads them all


@dataclass(frozen=True)
class State:
    """Whether an evaluation set can be used.

    Attributes:
        status: ``OK``, ``MISSING`` (it is not here) or ``WRONG`` (it is not that of the literature,
            or damaged).
        text: for people: how many objects, or what is the matter.
        download: what ``isegm download`` calls the set, if it is missing and can be downloaded.
        objects: how many there are.
        fingerprint: see ``EvalDataset``.
    """

    dataset: str
    status: str
    text: str
    objects: int = 0
    fingerprint: str = ""
    download: str = ""


def state_of(name: str, cfg: EasyDict) -> State:
    """Look for an evaluation set where config.yml says, and check it as ``isegm check-data`` does.

    Raises:
        IsegmError: there is no evaluation set of this name; the nearest names are listed.
    """
    if name not in evaluation_sets():
        raise unknown("data set", name, evaluation_sets())
    listed = [(whole, part) for whole in CATALOGUE for part in whole.parts if part.name == name]
    return _listed(*listed[0], cfg) if listed else _unlisted(name, cfg)


def _listed(whole: DataSet, part: Subset, cfg: EasyDict) -> State:
    try:
        whole.root(cfg)
    except IsegmError as error:
        entry = for_key(whole.key)
        text = str(error).removeprefix(f"{whole.name}: ")
        if entry is None or entry.by_hand:
            return State(part.name, MISSING, text)
        text = text.removesuffix(f", or {entry.how}")  # ``download`` says it
        return State(part.name, MISSING, text, download=entry.name)
    finding = check(whole, part, cfg, SAMPLES)
    if finding.problems:
        more = f" (and {len(finding.problems) - 1} more)" if len(finding.problems) > 1 else ""
        text = f"{finding.problems[0]}{more}; isegm check-data {whole.name} says more"
        return State(part.name, WRONG, text, finding.length, finding.fingerprint)
    return _ok(part.name, finding.length, finding.fingerprint)


def _unlisted(name: str, cfg: EasyDict) -> State:
    """Of a set that has no place in the literature, such as ``folder``."""
    opened = evaluation_set(name, cfg)
    return _ok(name, len(opened), opened.fingerprint())


def _ok(name: str, objects: int, fingerprint: str) -> State:
    return State(name, OK, f"{objects:,} objects, data {fingerprint[:8]}", objects, fingerprint)
