"""Score training images by how well a network does on them, to draw easy ones rarely.

    isegm evaluate NoBRS --checkpoint model.safetensors --datasets SBD_Train --save-json train.json
    isegm score-samples train.json --clicks 3 --output sbd_scores.json
    isegm train models/ritm/hrnet18_sbd.py --set data.scores.file=$PWD/sbd_scores.json

The score of an image is the mean IoU of its objects after --clicks clicks. How the published
sbd_samples_weights.pkl was computed is not known: these scores replace it and do not reproduce it.
"""

from __future__ import annotations

import argparse
import json

from isegm.cli.running import say
from isegm.core.errors import IsegmError, unknown
from isegm.evaluation.results import RunResult
from isegm.evaluation.sample_scores import sample_scores
from isegm.utils.files import replacing


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("result", help="a file written by isegm evaluate --save-json")
    parser.add_argument("--dataset", default="SBD_Train", help="which of its data sets")
    parser.add_argument("--clicks", type=int, default=3, help="read the IoU after this many clicks")
    parser.add_argument("--output", default="sbd_scores.json")


def main(args: argparse.Namespace) -> None:
    result = RunResult.load(args.result)
    sets = {dataset.name: dataset for dataset in result.datasets}
    if args.dataset not in sets:
        raise unknown(f"data set in {args.result}", args.dataset, sets)
    dataset = sets[args.dataset]
    scores = sample_scores(dataset, args.clicks)
    if not scores:
        raise IsegmError(f"{args.result} holds no object of {args.dataset}")
    origin = {
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "clicks": args.clicks,
        "checkpoint": result.checkpoint,
        "protocol": result.protocol_label,
    }
    with replacing(args.output) as partial:
        partial.write_text(json.dumps({**origin, "scores": scores}, indent=1))
    say(f"{len(scores)} images, mean score {sum(scores.values()) / len(scores):.3f}: {args.output}")
