"""What the simulated user's next click costs: the distance transform cut to the error's box against
the whole-image one.

    python scripts/benchmark_next_click.py --checkpoint model.safetensors --datasets GrabCut --limit
    20 --cpu

Plays the objects and keeps every answer; then both forms find the next click on each, at the
image's own size and enlarged to 1500 x 1000 pixels, turn by turn on one thread. Says how often they
click on the same pixel, which must be always.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this clone's package first

from isegm.cli.running import Formatter, run
from isegm.core.clicks import Click
from isegm.core.rounds import Session
from isegm.core.samples import Sample
from isegm.data.evaluation_sets import evaluation_set
from isegm.evaluation.evaluate import Run, evaluate
from isegm.evaluation.users.centre import next_click
from isegm.inference.protocol import load_protocol
from isegm.inference.speed import for_evaluation
from isegm.methods.checkpoints import find_checkpoint
from isegm.originals.loading import load_model
from isegm.reference.evaluation_loop import whole_image_click
from isegm.utils.config import load_config
from isegm.utils.device import pick_device

LARGE = (1500, 1000)  # columns, rows
Case = tuple[np.ndarray, np.ndarray, tuple[Click, ...]]  # answer, ground truth, clicks made


def met(args: argparse.Namespace) -> list[Case]:
    """Every answer that the simulated user would have had to look at."""
    cfg = load_config(args.config_path)
    loaded = load_model(find_checkpoint(cfg, args.checkpoint), pick_device(args.cpu, args.gpus))
    model, found = for_evaluation(loaded.model), []

    for name in args.datasets.split(","):
        dataset = evaluation_set(name, cfg)
        protocol = (
            load_protocol(args.protocol or model.protocol)
            .for_dataset(dataset.name)
            .changed(max_clicks=args.clicks)
        )
        threshold = protocol.mask_threshold

        def keep(
            sample: Sample, session: Session, ious: list[float], threshold: float = threshold
        ) -> None:
            found.append((session.prob[0, 0].cpu().numpy() > threshold, sample.gt, session.clicks))

        evaluate(
            protocol.predictor(model),
            dataset,
            protocol,
            limit=args.limit,
            observer=keep,
            run=Run(progress=True),
        )
    return found


def enlarged(case: Case) -> Case:
    mask, gt, clicks = case
    down, across = LARGE[1] / gt.shape[0], LARGE[0] / gt.shape[1]
    large = [
        cv2.resize(a.astype(np.int8), LARGE, interpolation=cv2.INTER_NEAREST) for a in (mask, gt)
    ]
    return (
        large[0].astype(bool),
        large[1],
        tuple(Click(int(c.y * down), int(c.x * across), c.positive) for c in clicks),
    )


def timed(click: Callable[..., Click], case: Case, turns: int) -> tuple[float, Click]:
    """The quickest of a few turns in milliseconds, and the click."""
    quickest = float("inf")
    for _ in range(turns):
        started = time.perf_counter()
        made = click(*case)
        quickest = min(quickest, time.perf_counter() - started)
    return 1000 * quickest, made


def show(title: str, cases: list[Case], turns: int) -> None:
    rows, same = [], 0
    for case in tqdm(cases, desc=title, leave=False):
        whole, expected = timed(whole_image_click, case, turns)
        cut, made = timed(next_click, case, turns)
        rows.append((whole, cut))
        same += made == expected
    whole, cut = np.array(rows).T
    ratio = whole / cut
    print(
        f"| {title} | {len(cases)} | {np.median(whole):.2f} | {np.median(cut):.2f} |"
        f" {whole.sum() / cut.sum():.1f}x |"
        f" {np.quantile(ratio, 0.05):.1f}x to {np.quantile(ratio, 0.95):.1f}x | {same} of"
        f" {len(cases)} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=Formatter)
    parser.add_argument(
        "--checkpoint", required=True, help="a file, or a name under WEIGHTS_PATH of config.yml"
    )
    parser.add_argument("--datasets", default="GrabCut")
    parser.add_argument("--protocol", help="a file in configs/eval (default: the method's own)")
    parser.add_argument("--limit", type=int, help="only the first so many objects of each data set")
    parser.add_argument("--clicks", type=int, default=20, help="at most so many per object")
    parser.add_argument("--turns", type=int, default=3)
    device = parser.add_mutually_exclusive_group()
    device.add_argument("--gpus", help="number of the GPU to use")
    device.add_argument("--cpu", action="store_true")
    parser.add_argument("--config-path", help="another config.yml")
    args = parser.parse_args()

    cases = met(args)
    cv2.setNumThreads(1)
    print(
        "\n| masks | number | whole image, ms | cut to the box, ms | ratio of all | of nine tenths"
        " | same click |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    show("own size", cases, args.turns)
    show("1500 x 1000", [enlarged(case) for case in cases], args.turns)


if __name__ == "__main__":
    raise SystemExit(run(main))
