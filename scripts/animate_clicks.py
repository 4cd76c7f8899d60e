"""Draw an animation of a model that answers clicks on photographs, side by side.

    python scripts/animate_clicks.py --out assets/clicks.gif
    python scripts/animate_clicks.py --checkpoint model.safetensors --dataset GrabCut \\
        --objects banana1,llama --clicks 4 --out clicks.gif

The simulated user of the NoC protocol clicks. Every click is shown twice: where it falls, and what
the network answers. The animation of README.md is made by the first command.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this clone's package first

from picture_strip import chosen

from isegm.cli.flags import add_protocol_settings, asked_protocol
from isegm.cli.running import Formatter, run
from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.samples import Sample
from isegm.data.evaluation_sets import evaluation_set
from isegm.evaluation.pictures import Answer, play
from isegm.methods.checkpoints import find_checkpoint
from isegm.originals.loading import load_model
from isegm.utils.config import load_config
from isegm.utils.device import pick_device
from isegm.utils.files import replacing
from isegm.utils.vis import (
    MASK_COLOUR,
    NEGATIVE_COLOUR,
    POSITIVE_COLOUR,
    draw_clicks,
    overlay,
    side_by_side,
    titled,
)

SHOWN = "astronaut#1,cat#1,camera#1"
YELLOW = (255, 220, 0)  # the rim of the newest click
CLICKED, ANSWERED, LAST = 500, 1100, 2600  # milliseconds


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=Formatter)
    parser.add_argument("--checkpoint", default="starter", help="a file, or a name")
    parser.add_argument("--dataset", default="photos", help="an evaluation set")
    parser.add_argument("--objects", help=f"ids, a,b,c (default: {SHOWN})")
    parser.add_argument("--clicks", type=int, default=5, help="clicks on every object")
    parser.add_argument("--height", type=int, default=230, help="rows of a picture")
    parser.add_argument("--out", type=Path, required=True, help="a .gif")
    add_protocol_settings(parser)
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--config-path", help="another config.yml")
    return parser.parse_args()


def panel(sample: Sample, mask: np.ndarray, clicks: Sequence[Click], rows: int) -> np.ndarray:
    """One object at one moment: ``rows W 3`` uint8, RGB."""
    scale = rows / sample.image.shape[0]
    size = (round(sample.image.shape[1] * scale), rows)
    image = cv2.resize(sample.image, size, interpolation=cv2.INTER_AREA)
    small = cv2.resize(255 * mask.astype(np.uint8), size, interpolation=cv2.INTER_AREA) > 127
    moved = [replace(c, y=(c.y + 0.5) * scale - 0.5, x=(c.x + 0.5) * scale - 0.5) for c in clicks]
    return draw_clicks(overlay(image, small), moved, radius=5)


def frames(samples: Sequence[Sample], answers: Sequence[list[Answer]], rows: int) -> list:
    """Pairs of a picture, ``H W 3``, and the milliseconds it stays."""
    shown = [np.zeros(sample.gt.shape, bool) for sample in samples]
    out = [(row(samples, shown, [()] * len(samples), rows, "no click"), ANSWERED)]
    for number in range(len(answers[0])):
        now = [answer[number] for answer in answers]
        clicks = [answer.clicks for answer in now]
        count = "1 click" if number == 0 else f"{number + 1} clicks"
        out.append((row(samples, shown, clicks, rows, count), CLICKED))
        shown = [answer.mask for answer in now]
        ious = ", ".join(f"{100 * answer.iou:.0f} %" for answer in now)
        out.append((row(samples, shown, clicks, rows, f"{count}: IoU {ious}"), ANSWERED))
    return [*out[:-1], (out[-1][0], LAST)]


def row(samples: Sequence, masks: Sequence, clicks: Sequence, rows: int, text: str) -> np.ndarray:
    pictures = map(panel, samples, masks, clicks, [rows] * len(samples))
    return titled(side_by_side(list(pictures), gap=6), text)


def write_gif(path: Path, pictures: Sequence[tuple[np.ndarray, int]]) -> None:
    """Write an endless GIF whose frames share a palette, so that what does not change is still."""
    every = np.concatenate([picture for picture, _ in pictures])
    fixed = [*POSITIVE_COLOUR, *NEGATIVE_COLOUR, *MASK_COLOUR, *YELLOW, 255, 255, 255, 0, 0, 0]
    common = Image.fromarray(every).quantize(250, kmeans=1).getpalette()
    palette = Image.new("P", (1, 1))
    palette.putpalette([*common[: 3 * 250], *fixed])
    images = [
        Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
        for picture, _ in pictures
    ]
    times = [time for _, time in pictures]
    with replacing(path) as partial, partial.open("wb") as file:
        images[0].save(
            file,
            "GIF",
            save_all=True,
            append_images=images[1:],
            duration=times,
            loop=0,
            optimize=True,
        )


def main() -> None:
    args = parse_args()
    if args.out.suffix != ".gif":
        raise IsegmError(f"--out {args.out}: expected a name that ends in .gif")
    if args.clicks < 1 or args.height < 64:
        raise IsegmError("expected --clicks of 1 or more and --height of 64 or more")
    cfg = load_config(args.config_path)
    shown = args.objects or (SHOWN if args.dataset == "photos" else None)
    samples = chosen(evaluation_set(args.dataset, cfg), shown)
    loaded = load_model(find_checkpoint(cfg, args.checkpoint), pick_device(args.cpu, None))
    protocol = asked_protocol(args, loaded.model).for_dataset(args.dataset)
    predictor = protocol.predictor(loaded.model)
    print(f"checkpoint {loaded.path} ({loaded.source}), protocol {protocol.label}")
    answers = [play(predictor, s, args.clicks, protocol.mask_threshold) for s in samples]
    write_gif(args.out, frames(samples, answers, args.height))
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    raise SystemExit(run(main))
