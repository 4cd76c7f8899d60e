"""Fill the card of a checkpoint: numbers from result files, into its page and into its metadata.

    python scripts/model_card.py assets/starter.safetensors --page docs/explanation/starter.md \
        --results grabcut_berkeley.json ritm_views.json --speed speed.json

Result files are those of evaluate_model.py --save-json, of this very checkpoint; the speed is that
of measure_speed.py --save-json. Intervals are bootstrapped by image. What is not given stays as it
is in the card of the checkpoint.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this clone's package first

from isegm.cli.running import Formatter, run
from isegm.evaluation import card
from isegm.evaluation.results import RunResult
from isegm.originals.loading import load_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=Formatter)
    parser.add_argument("checkpoint", type=Path, help="a .safetensors of this package")
    parser.add_argument("--page", type=Path, required=True, help="the Markdown page with the prose")
    parser.add_argument("--results", type=Path, nargs="+", default=[], help="result files")
    parser.add_argument("--speed", type=Path, help="the file of measure_speed.py")
    args = parser.parse_args()
    runs = [RunResult.load(path) for path in args.results]
    speed = card.read_speed(args.speed) if args.speed else None
    measured = card.numbers(load_model(args.checkpoint), runs, speed)
    card.write(args.page, args.checkpoint, measured)
    print(card.markdown(measured), end="")


if __name__ == "__main__":
    raise SystemExit(run(main))
