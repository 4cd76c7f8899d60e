"""Answer a list of clicks on one image.

    isegm try --image photo.jpg \\
        --clicks "120,160,1 60,200,1 30,40,0" --save-probs out.npy --save-overlay out.png

A click is y,x,label in image pixels, label 1 on the object and 0 off it. out.npy is float32, one
full-resolution probability map per click. Without --checkpoint the starter answers, the
network that comes with the package. Without --protocol the method's own published protocol is used;
which one is printed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from isegm.cli import flags
from isegm.cli.running import say
from isegm.core.clicks import Click
from isegm.core.errors import IsegmError, unknown
from isegm.data.reading import read_image, read_mask
from isegm.inference.modes import MODES, with_mode
from isegm.inference.opening import open_model
from isegm.inference.sis import says_nothing
from isegm.methods.checkpoints import STARTER
from isegm.utils.config import load_config
from isegm.utils.device import pick_device
from isegm.utils.vis import draw_clicks, overlay, write_image


def parse_clicks(text: str) -> list[Click]:
    """``"120,160,1 30,40,0"`` to clicks."""
    clicks = []
    for part in text.split():
        fields = part.split(",")
        try:
            y, x, label = (float(f) for f in fields)
        except ValueError:
            raise IsegmError(f"click {part!r}: expected y,x,label, e.g. 120,160,1") from None
        if label not in (0, 1):
            raise IsegmError(
                f"click {part!r}: the label must be 1 (object) or 0 (background), got {fields[2]}"
            )
        clicks.append(Click(y, x, label == 1))
    if not clicks:
        raise IsegmError('--clicks is empty; give at least one, e.g. --clicks "120,160,1"')
    return clicks


def add_flags(parser: argparse.ArgumentParser) -> None:
    flags.add_checkpoint(parser, default=STARTER)
    parser.add_argument("--image", required=True)
    parser.add_argument("--clicks", required=True, help='"y,x,label y,x,label ..."')
    parser.add_argument(
        "--mode", default="NoBRS", help=f"how clicks are answered: {', '.join(MODES)}"
    )
    flags.add_protocol_settings(parser)
    flags.add_dataset(parser)
    parser.add_argument("--init-mask", help="a mask to start from, of the image's size")
    parser.add_argument("--save-probs", help=".npy for the probability maps")
    parser.add_argument("--save-overlay", help=".png or .jpg of the last answer")
    parser.add_argument("--save-mask", help=".png of the last mask, 0 and 255")
    flags.add_device(parser)
    flags.add_config(parser)


def main(args: argparse.Namespace) -> None:
    if args.mode not in MODES:
        raise unknown("mode", args.mode, MODES)

    clicks, image = parse_clicks(args.clicks), read_image(args.image)
    device = pick_device(args.cpu, args.gpus)
    loaded = open_model(args.checkpoint, device, load_config(args.config_path))
    protocol = flags.asked_protocol(args, loaded.model)
    protocol = protocol.for_dataset(args.dataset) if args.dataset else protocol
    model, limit = with_mode(
        loaded.model, args.mode, settings={"threshold": protocol.mask_threshold}
    )
    predictor = protocol.predictor(model, clicks_limit=limit)
    say(f"checkpoint {loaded.path} ({loaded.source}), protocol {protocol.label}, {args.mode}")

    start = None if args.init_mask is None else (read_mask(args.init_mask) > 128).astype(np.float32)
    session, probs = predictor.start(image, start), []
    for click in clicks:
        session = predictor.click(session, click)
        probs.append(session.prob[0, 0].float().cpu().numpy())
        mask = probs[-1] > protocol.mask_threshold
        sign = "+" if click.positive else "-"
        size = f"{int(mask.sum())} pixels, {100 * mask.mean():.2f} % of the image"
        note = "; empty because no click is positive yet (--sis)" if says_nothing(session) else ""
        say(f"click {len(probs)} {sign}({click.y:g},{click.x:g}): {size}{note}")
    if args.save_probs:
        Path(args.save_probs).parent.mkdir(parents=True, exist_ok=True)
        np.save(args.save_probs, np.stack(probs))
    if args.save_mask:
        write_image(args.save_mask, (255 * mask).astype(np.uint8))
    if args.save_overlay:
        write_image(args.save_overlay, draw_clicks(overlay(image, mask), clicks))
