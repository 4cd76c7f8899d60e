"""What a checkpoint and its run folder say about a network: the table at the top of its card.

Nothing is guessed. What the file does not say, and nobody said when the card was written, is
``unknown``.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from isegm.core.registry import Spec, is_spec
from isegm.inference.protocol import load_protocol
from isegm.methods.checkpoints import read_metadata
from isegm.nn.weights import read_weights
from isegm.originals.loading import LoadedModel
from isegm.zoo.entries import Entry, entries, find
from isegm.zoo.hashes import digest, read_records

UNKNOWN = "unknown"
LICENCE, DATA = "licence", "training data"
EXPERIMENT = "experiment.json"


def facts(loaded: LoadedModel, card: Mapping[str, Any]) -> dict[str, str]:
    """The rows of the table, by label.

    Args:
        card: what ``read_card`` returns; ``{}`` if the file has none.
    """
    model, path = loaded.model, Path(loaded.path)
    metadata = read_metadata(path) if path.suffix == ".safetensors" else {}
    count = sum(parameter.numel() for parameter in model.parameters())
    rows = {
        "file": f"{path.name}, {path.stat().st_size / 1e6:.1f} MB",
        "SHA-256": f"`{loaded.sha256}`{_earlier_hash(loaded, card)}",
        "written by": _writer(loaded, metadata),
        **_origin(loaded),
        "method": _paragraph(inspect.getdoc(sys.modules[type(model).__module__]) or ""),
        "network": _call(loaded.spec),
    }
    parts = {name: value for name, value in loaded.spec["args"].items() if is_spec(value)}
    rows |= {name.replace("_", " "): _call(value) for name, value in parts.items()}
    rows |= {
        "parameters": f"{count:,}",
        "protocol": load_protocol(model.protocol).label,
        DATA: rows.pop(DATA, "") or _training_data(loaded) or UNKNOWN,
        LICENCE: rows.pop(LICENCE, "") or UNKNOWN,
    }
    rows |= card.get("facts", {})
    for heading in card.get("sections", {}):
        for label, word in ((LICENCE, r"licen[cs]e"), (DATA, r"\bdata\b")):
            if rows[label] == UNKNOWN and re.search(word, heading, re.IGNORECASE):
                rows[label] = f"see *{heading}* below"
    return rows


def _earlier_hash(loaded: LoadedModel, card: Mapping[str, Any]) -> str:
    """Writing a card changes the hash of a file: results name the one before."""
    before = card.get("numbers", {}).get("sha256", loaded.sha256)
    return "" if before == loaded.sha256 else f" (`{before[:16]}` before this card was written)"


def _writer(loaded: LoadedModel, metadata: Mapping[str, str]) -> str:
    source = "this package" if loaded.source == "isegm" else loaded.source
    if origin := metadata.get("converted_from"):
        name = "a checkpoint of this package" if origin == "isegm" else origin
        source += f", converted from {name}"
    if sha256 := metadata.get("source_sha256"):
        source += f" with SHA-256 `{sha256[:16]}`"
    if "step" in metadata:
        source += f", after {metadata.get('epoch', UNKNOWN)} epochs, {metadata['step']} steps"
    return source


def _origin(loaded: LoadedModel) -> dict[str, str]:
    """What the zoo says of a file of another code base.

    A name alone proves nothing: the file must have the published hash, or be the one that was
    downloaded from a published address.
    """
    if loaded.source == "isegm":
        return {}
    path = Path(loaded.path)
    known = _by_hash(path) or _by_record(path, loaded.sha256)
    if known is None:
        named = find(path.name, "checkpoint")
        guess = f"; it has the name of {named.name}, which proves nothing" if named else ""
        return {"published as": UNKNOWN + guess}
    entry, how = known
    arxiv = f" (arXiv {entry.arxiv})" if entry.arxiv else ""
    rows = {"published as": f"{entry.name}, {how}", "paper": f"{entry.paper or UNKNOWN}{arxiv}"}
    return rows | {DATA: entry.trained_on, LICENCE: entry.licence}


def _by_hash(path: Path) -> tuple[Entry, str] | None:
    digests: dict[str, str] = {}
    for entry in entries("checkpoint"):
        kind, _, expected = entry.file.hash.partition(":")
        if not expected:
            continue
        if kind not in digests:
            digests[kind] = digest(path, kind)
        if digests[kind].startswith(expected.lower()):
            return entry, f"by its {kind} hash"
    return None


def _by_record(path: Path, sha256: str) -> tuple[Entry, str] | None:
    entry, record = find(path.name, "checkpoint"), read_records(path.parent).get(path.name, {})
    if entry is None or record.get("sha256") != sha256 or not record.get("address"):
        return None
    return entry, f"downloaded from {record['address']} on {record['date']}"


def _paragraph(text: str) -> str:
    return " ".join(text.partition("\n\n")[0].split()) or UNKNOWN


def _call(described: Spec) -> str:
    """A spec without the specs inside it, e.g. ``HRNet, width 18, depth "full"``."""
    name = described["target"].rpartition(":")[2]
    plain = {key: value for key, value in described["args"].items() if not is_spec(value)}
    return ", ".join([name, *(f"{key} {json.dumps(value)}" for key, value in plain.items())])


def _training_data(loaded: LoadedModel) -> str:
    """The data sets of the experiment that a checkpoint of this package was trained by; empty if
    none lies in the file or beside it.
    """
    experiment = _experiment(loaded)
    if experiment.get("model") != loaded.spec:
        return ""
    return "; ".join(dict.fromkeys(map(_call, _sources(experiment.get("data")))))


def _experiment(loaded: LoadedModel) -> Mapping[str, Any]:
    if loaded.source != "isegm":
        return {}
    path = Path(loaded.path)
    if path.suffix != ".safetensors":
        return read_weights(path).get("experiment") or {}
    try:
        return json.loads((path.parent / EXPERIMENT).read_text())["experiment"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _sources(value: Any) -> Iterator[Spec]:
    """The specs of data sets inside the spec of an experiment's data."""
    if is_spec(value) and is_spec(source := value["args"].get("source")):
        yield source
    elif is_spec(value):
        yield from _sources(list(value["args"].values()))
    elif isinstance(value, list):
        for item in value:
            yield from _sources(item)
