"""Draw objects of an evaluation set with the answers to their first clicks: a row per object.

    python scripts/picture_strip.py --checkpoint starter --out strip.png
    python scripts/picture_strip.py --checkpoint model.safetensors --dataset GrabCut \\
        --objects banana1,llama --clicks 1,3,5 --out strip.png

The simulated user of the NoC protocol clicks. Without --protocol the method's own published one is
used; which one is printed, and so is the IoU after every click. assets/starter.png is made so.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this clone's package first

from isegm.cli.flags import add_protocol_settings, asked_protocol
from isegm.cli.running import Formatter, run
from isegm.core.errors import IsegmError, unknown
from isegm.core.samples import Sample
from isegm.data.evaluation_sets import EvalDataset, evaluation_set
from isegm.evaluation.pictures import picture_row, play
from isegm.methods.checkpoints import find_checkpoint
from isegm.originals.loading import load_model
from isegm.utils.config import load_config
from isegm.utils.device import pick_device
from isegm.utils.vis import stacked, write_image

SHOWN = {"photos": ("astronaut#1", "coffee#3", "cat#1", "camera#1")}
MOST = 4  # objects of another set


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=Formatter)
    parser.add_argument("--checkpoint", default="starter", help="a file, or a name")
    parser.add_argument("--dataset", default="photos", help="an evaluation set")
    parser.add_argument("--objects", help=f"ids, a,b,c; without: a choice of photos, or {MOST}")
    parser.add_argument("--clicks", default="1,2,3,5", help="after which clicks")
    parser.add_argument("--width", type=int, default=200, help="columns of a picture")
    parser.add_argument("--out", type=Path, required=True, help=".png or .jpg")
    add_protocol_settings(parser)
    device = parser.add_mutually_exclusive_group()
    device.add_argument("--gpus", help="number of the GPU to use")
    device.add_argument("--cpu", action="store_true")
    parser.add_argument("--config-path", help="another config.yml")
    return parser.parse_args()


def parse_numbers(text: str) -> list[int]:
    """``"1,2,5"`` to numbers of clicks."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1 or numbers != sorted(set(numbers)):
        raise IsegmError(f"--clicks {text!r}: expected rising numbers from 1, e.g. 1,2,3,5")
    return numbers


def chosen(dataset: EvalDataset, objects: str | None) -> list[Sample]:
    """The samples with these ids."""
    ids = dataset.ids()
    wanted = objects.split(",") if objects else SHOWN.get(dataset.name, ids[:MOST])
    for id_ in wanted:
        if id_ not in ids:
            raise unknown(f"object of {dataset.name}", id_, ids)
    return [dataset[ids.index(id_)] for id_ in wanted]


def main() -> None:
    args = parse_args()
    if args.width < 64:
        raise IsegmError(f"--width {args.width}: expected at least 64 columns")
    numbers, cfg = parse_numbers(args.clicks), load_config(args.config_path)
    samples = chosen(evaluation_set(args.dataset, cfg), args.objects)
    device = pick_device(args.cpu, args.gpus)
    loaded = load_model(find_checkpoint(cfg, args.checkpoint), device)
    protocol = asked_protocol(args, loaded.model).for_dataset(args.dataset)
    predictor = protocol.predictor(loaded.model)
    print(f"checkpoint {loaded.path} ({loaded.source}), protocol {protocol.label}")
    rows = []
    for sample in samples:
        answers = play(predictor, sample, numbers[-1], protocol.mask_threshold)
        ious = ", ".join(f"{100 * answer.iou:.0f}" for answer in answers)
        print(f"{sample.id}: IoU {ious} % after 1 to {len(answers)} clicks", flush=True)
        rows.append(picture_row(sample, [answers[number - 1] for number in numbers], args.width))
    write_image(args.out, stacked(rows), small=True)
    print(f"{args.out}: {len(rows)} objects after {args.clicks} clicks")


if __name__ == "__main__":
    raise SystemExit(run(main))
