"""Write docs/reference/zoo.md from assets/zoo.yml and assets/published.csv.

python scripts/zoo_page.py
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this clone's package first

from isegm.cli.running import Formatter, run
from isegm.evaluation.zoo_page import zoo_page
from isegm.utils.config import REPOSITORY
from isegm.utils.files import replacing


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=Formatter).parse_args()
    with replacing(REPOSITORY / "docs/reference/zoo.md") as partial:
        partial.write_text(zoo_page(), encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(run(main))
