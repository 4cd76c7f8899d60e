"""The card of a model on a hub: YAML that the hub reads, then Markdown for people."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from isegm.core.errors import IsegmError
from isegm.evaluation.card import markdown, read_card
from isegm.methods.checkpoints import read_metadata
from isegm.utils.files import sha256_of

TAGS = ("isegm", "interactive-segmentation", "click-based-segmentation")
FENCE = "---\n"
USE = """## Use

```sh
pip install isegm
isegm try --checkpoint {name} --image photo.jpg --clicks "120,160,1"
```
"""


def hub_card(path: Path, repository: str, licence: str, prose: str | None = None) -> str:
    """What becomes README.md of a model's repository.

    Args:
        path: a .safetensors of this package.
        repository: ``hf:owner/repository``.
        licence: as the hub names it, e.g. ``"apache-2.0"``.
        prose: Markdown to use instead of what the checkpoint says of itself. If it has YAML of its
            own, it stays as it is.

    Raises:
        IsegmError: the file cannot be read, or has no spec of its network.
    """
    metadata = read_metadata(path)
    if "spec" not in metadata:
        raise IsegmError(f"{path} has no spec of its network; run isegm convert first")
    if prose and prose.startswith(FENCE):
        return prose
    stored = read_card(path) or {}
    rows = stored.get("numbers", {}).get("rows", [])
    front = {
        "license": licence,
        "library_name": "isegm",
        "pipeline_tag": "image-segmentation",
        "tags": list(TAGS),
        "metrics": sorted({metric for row in rows for metric in row["metrics"]}),
    }
    head = yaml.safe_dump({key: value for key, value in front.items() if value}, sort_keys=False)
    body = prose or _body(path, repository, json.loads(metadata["spec"]), stored)
    return f"{FENCE}{head}{FENCE}\n{body}"


def _body(path: Path, repository: str, spec: dict, stored: dict) -> str:
    network = spec["target"].rpartition(":")[2].rpartition(".")[2]
    parts = [f"# {repository.partition('/')[2]}\n"]
    parts.append(
        f"A network for click-based image segmentation: `{network}` of the Python package isegm."
        f" File `{path.name}`, SHA-256 `{sha256_of(path)}`.\n"
    )
    parts += [f"## {heading}\n\n{text}\n" for heading, text in stored.get("sections", {}).items()]
    numbers = stored.get("numbers")
    parts.append("## Numbers\n\n" + (markdown(numbers) if numbers else "Not evaluated yet.\n"))
    parts.append(USE.format(name=f"{repository}/{path.name}"))
    return "\n".join(parts)
