"""Convert a checkpoint: a published .pth to .safetensors with the spec of its model, or back.

    python scripts/convert_weights.py coco_lvis_h18_itermask.pth ritm_h18.safetensors
    python scripts/convert_weights.py ritm_h18.safetensors for_the_original_code.pth

A training checkpoint of this package is taken too; its optimizer state is left out and its EMA
weights are preferred.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from isegm.core.errors import IsegmError
from isegm.methods.checkpoints import save_model
from isegm.originals.loading import load_model, save_published
from isegm.utils.cli import formatter, run


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0], formatter_class=formatter
    )
    parser.add_argument(
        "source", type=Path, help="a checkpoint: published .pth, training .pth or .safetensors"
    )
    parser.add_argument(
        "target",
        type=Path,
        help="what to write: .safetensors (this package) or .pth (the original code)",
    )
    args = parser.parse_args()
    if args.target.suffix not in (".safetensors", ".pth"):
        raise IsegmError(f"{args.target}: expected a name that ends in .safetensors or .pth")
    if args.target.exists() and args.target.samefile(args.source):
        raise IsegmError(f"{args.target} is the source itself; choose another name")

    loaded = load_model(args.source)
    if args.target.suffix == ".pth":
        save_published(args.target, loaded)
    else:
        origin = {"converted_from": loaded.source, "source_sha256": loaded.sha256}
        save_model(args.target, loaded.model, loaded.spec, origin, loaded.unused)

    parameters = sum(parameter.numel() for parameter in loaded.model.parameters())
    print(f"read    {loaded.path}: {loaded.source}, sha256 {loaded.sha256[:16]}")
    print(f"keys    {loaded.report}; {parameters:,} parameters")
    print(f"spec    {json.dumps(loaded.spec)}")
    print(f"wrote   {args.target}")


if __name__ == "__main__":
    sys.exit(run(main))
