"""Score training images by how well a network does on them, to draw easy ones rarely afterwards.

    python scripts/evaluate_model.py NoBRS --checkpoint model.safetensors --datasets SBD_Train --save-json sbd_train.json
    python scripts/score_samples.py sbd_train.json --clicks 3 --output sbd_scores.json
    python train.py models/ritm/hrnet18_sbd.py --set data.scores.file=$PWD/sbd_scores.json

The score of an image is the mean IoU of its objects after --clicks clicks. How the published sbd_samples_weights.pkl was
computed is not known, so these scores replace it, they do not reproduce it.
"""

from __future__ import annotations

import argparse
import json

from isegm.core.errors import IsegmError, unknown
from isegm.evaluation.results import RunResult
from isegm.evaluation.sample_scores import sample_scores
from isegm.utils.cli import formatter, run
from isegm.utils.files import replacing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=formatter)
    parser.add_argument("result", help="a file written by evaluate_model.py --save-json")
    parser.add_argument("--dataset", default="SBD_Train", help="which of its data sets")
    parser.add_argument("--clicks", type=int, default=3, help="read the IoU after so many clicks")
    parser.add_argument("--output", default="sbd_scores.json")
    args = parser.parse_args()

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
    print(f"{len(scores)} images, mean score {sum(scores.values()) / len(scores):.3f}: {args.output}")


if __name__ == "__main__":
    raise SystemExit(run(main))
