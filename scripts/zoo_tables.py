"""The zoo as a page of tables, with the numbers of the ledger beside each checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

from isegm.evaluation.ledger import PublishedRow, read_ledger
from isegm.zoo.entries import Entry, PublishedRows, Remote, entries
from isegm.zoo.hub import page

SETS = ("GrabCut", "Berkeley", "SBD", "DAVIS", "PascalVOC", "COCO_MVal")
METRIC = "NoC@90"
HASH_DIGITS = 12
INTRODUCTION = """# The zoo

What others publish and this package knows by name. [Download](../how-to/download.md) says how to
use a name.

* **Addresses**: nobody has tried them from here unless the column says so. "By hand" means that the
  project offers a folder and no address names the file: the link leads there, and
  `isegm download NAME` says which file to take and where to put it.
* **Hash**: the beginning of the published one. Where the column is empty, nobody published any: the
  SHA-256 of your first download is recorded and compared from then on.
* **Licence**: as the project states it, usually for its code; ask its authors about the weights.
* **NoC@90**: the published numbers of the [ledger](../../assets/published.csv), with their source,
  not numbers measured here. The protocol is the one that the network's authors used.
"""


def zoo_page() -> str:
    """``docs/reference/zoo.md``, whole."""
    parts = [INTRODUCTION, "## Checkpoints\n", _checkpoints()]
    parts += ["## Data sets\n", _table(["name", "key", *COMMON], map(_other, entries("dataset")))]
    parts += ["## Pretrained backbones\n", _backbones()]
    return "\n".join(parts)


COMMON = ["size", "hash", "licence", "from", "note"]


def _checkpoints() -> str:
    ledger = read_ledger()
    head = ["name", "paper", "trained on", "script", "protocol", f"{METRIC}: {', '.join(SETS)}"]
    rows = []
    for each in entries("checkpoint"):
        script = f"[{each.experiment}](../../{each.experiment})" if each.experiment else "-"
        numbers = "<br>".join(_numbers(published, ledger) for published in each.published)
        about = [f"`{each.name}`", _paper(each), each.trained_on, script, each.protocol, numbers]
        rows.append([*about, *_common(each)])
    return _table([*head, *COMMON], rows)


def _backbones() -> str:
    rows = [[f"`{each.name}`", f"`{each.key}`", *_common(each)] for each in entries("backbone")]
    return _table(["name", "key under `PRETRAINED`", *COMMON], rows)


def _other(each: Entry) -> list[str]:
    return [f"`{each.name}`", f"`{each.key}`" if each.key else "", *_common(each)]


def _common(each: Entry) -> list[str]:
    sizes = [remote.size_label for remote in each.files if remote.size_label]
    hashes = [_hash(remote) for remote in each.files if remote.hash]
    return [" + ".join(sizes), "<br>".join(hashes), each.licence, _origin(each), each.note]


def _hash(remote: Remote) -> str:
    kind, _, digits = remote.hash.partition(":")
    return f"{kind} `{digits[:HASH_DIGITS]}`"


def _origin(each: Entry) -> str:
    if each.by_hand:
        called = each.files[0].called or each.files[0].file
        return f"by hand: {called}, [here]({each.page})"
    links = [
        f"[{remote.file}]({page(remote.addresses[0])})"
        + (f" and {len(remote.addresses) - 1} more" if len(remote.addresses) > 1 else "")
        + ("" if remote.tried else ", address not tried")
        for remote in each.files
    ]
    return "<br>".join(links)


def _paper(each: Entry) -> str:
    title = each.method or each.paper.partition(":")[0]
    return f"[{title}](https://arxiv.org/abs/{each.arxiv})" if each.arxiv else title


def _numbers(published: PublishedRows, ledger: Sequence[PublishedRow]) -> str:
    """The numbers of the first source that has any."""
    for row in ledger:
        values = [row.values.get((name, METRIC)) for name in SETS]
        if published.match(row) and any(value is not None for value in values):
            shown = ", ".join("-" if value is None else f"{value:.2f}" for value in values)
            mode = "" if published.mode == "NoBRS" else f"{published.mode}: "
            return f"{mode}{shown} ({row.source})"
    return "none in the ledger"


def _table(head: Sequence[str], rows: object) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
