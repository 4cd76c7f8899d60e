"""Files that scripts write and nobody edits: written, or with --check compared."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from isegm.cli.running import Formatter
from isegm.utils.files import replacing

ROOT = Path(__file__).resolve().parents[1]


def write_or_check(doc: str, script: str, files: Mapping[str, str]) -> int:
    """The command line of such a script; returns its exit status.

    Args:
        doc: the docstring of the script.
        script: its name.
        files: what each file should contain, by its path in the repository.
    """
    parser = argparse.ArgumentParser(description=doc.split("\n")[0], formatter_class=Formatter)
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 if stale")
    args = parser.parse_args()
    stale = [name for name, text in files.items() if not _is_current(ROOT / name, text)]
    for name in stale:
        if args.check:
            print(f"{name} is stale: run python scripts/{script}")
            continue
        (ROOT / name).parent.mkdir(exist_ok=True)
        with replacing(ROOT / name) as partial:
            partial.write_text(files[name], encoding="utf-8")
    return int(args.check and bool(stale))


def _is_current(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text
