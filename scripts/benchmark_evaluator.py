r"""How much each ingredient of the evaluator brings, against the sequential loop of the reference
code bases, in one run.

    python scripts/benchmark_evaluator.py --checkpoint model.safetensors --objects 8 --clicks 5
    --cpu
    python scripts/benchmark_evaluator.py --checkpoint model.safetensors --objects 50,30 \
    --clicks 5 --variants sequential,lanes,onnx --cpu

Every variant plays the same objects with the same number of clicks in a process of its own. The
variants take turns, and medians over the turns are compared, so that other work on the machine hits
all of them alike. It also says whether all variants made the same clicks.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this clone's package first

from isegm.cli.running import Formatter, run
from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.data.evaluation_sets import evaluation_set
from isegm.evaluation.lockstep import Clock, LockStep, LockStepSettings
from isegm.inference.opening import open_model
from isegm.inference.protocol import load_protocol
from isegm.inference.speed import for_evaluation
from isegm.methods.checkpoints import find_checkpoint
from isegm.originals.loading import LoadedModel, load_model
from isegm.reference.evaluation_loop import play_sequentially
from isegm.reference.twin import slow_twin
from isegm.utils.config import load_config
from isegm.utils.device import pick_device

# Each variant has one ingredient more than the one before it, but bf16, which leaves exactness
# behind, does without onnxruntime.
VARIANTS = {
    "sequential": "sequential",
    "memory": "+ memory kept",
    "maps": "+ windowed click maps",
    "channels_last": "+ channels last",
    "fold": "+ folded batch norm",
    "engine": "+ lock-step",
    "lanes": "+ passes side by side (the default)",
    "onnx": "+ exported, in onnxruntime",
    "bf16": "+ bf16",
}


def in_onnxruntime(loaded: LoadedModel, protocol: str | None) -> LoadedModel:
    """The network as ``isegm export`` writes it, and ``isegm evaluate`` reads it again."""
    from isegm.export.onnx import exported, write

    with tempfile.TemporaryDirectory() as folder:
        rules = load_protocol(protocol) if protocol else None
        (path,) = write(exported(loaded, rules), Path(folder) / "network.onnx")
        return open_model(path)


def play(args: argparse.Namespace, name: str) -> dict[str, Any]:
    """One turn of one variant; runs in a process of its own."""
    variants = list(VARIANTS)
    has = set(variants[: variants.index(name) + 1])
    cfg = load_config(args.config_path)
    device = pick_device(args.cpu, args.gpus, keep_memory="memory" in has)
    loaded = load_model(find_checkpoint(cfg, args.checkpoint), device)
    if "onnx" in has and "bf16" not in has:
        loaded = in_onnxruntime(loaded, args.protocol)
    model = loaded.model if "maps" in has else slow_twin(loaded.model)
    model = for_evaluation(model, fold="fold" in has, channels_last="channels_last" in has)
    spent, clicks = Clock(), []
    wall = 0.0
    for dataset_name, number in zip(args.datasets, args.objects, strict=True):
        dataset = evaluation_set(dataset_name, cfg)
        protocol = load_protocol(args.protocol or model.protocol).for_dataset(dataset.name)
        protocol = protocol.changed(max_clicks=args.clicks, stop_iou=1.01)
        predictor = protocol.predictor(model, amp="bf16" in has)
        predictor.click(
            predictor.start(np.zeros((400, 600, 3), np.uint8)), Click(200, 300, True)
        )  # warm up
        settings = LockStepSettings.suited_to(device)
        if "lanes" not in has:
            settings = dataclasses.replace(settings, passes=1)
        lockstep = LockStep(predictor, dataset, protocol, spent, settings)
        objects = range(min(number, len(dataset)))
        started = time.perf_counter()
        if "engine" in has:
            outcomes = dict(lockstep.run(objects))
        else:
            outcomes = dict(play_sequentially(predictor, dataset, protocol, objects, spent))
        wall += time.perf_counter() - started
        clicks += [outcomes[i].clicks for i in sorted(outcomes)]
    return {"wall": wall, "clicks": clicks, **spent.seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=Formatter)
    parser.add_argument(
        "--checkpoint", required=True, help="a file, or a name under WEIGHTS_PATH of config.yml"
    )
    parser.add_argument("--datasets", type=names, default="GrabCut,Berkeley")
    parser.add_argument("--protocol", help="a file in configs/eval (default: the method's own)")
    parser.add_argument(
        "--objects", type=numbers, default="8", help="of each data set: one number, or one for each"
    )
    parser.add_argument("--clicks", type=int, default=5, help="per object")
    parser.add_argument("--turns", type=int, default=3)
    device = parser.add_mutually_exclusive_group()
    device.add_argument("--gpus", help="number of the GPU to use")
    device.add_argument("--cpu", action="store_true")
    parser.add_argument("--config-path", help="another config.yml")
    parser.add_argument(
        "--variants",
        type=names,
        default=",".join(VARIANTS),
        help="which to play; the first is what the others are compared with",
    )
    parser.add_argument("--only", choices=VARIANTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if len(args.objects) == 1:
        args.objects *= len(args.datasets)
    if len(args.objects) != len(args.datasets):
        parser.error(
            f"--objects has {len(args.objects)} numbers for {len(args.datasets)} data sets"
        )
    if unknown := set(args.variants) - set(VARIANTS):
        parser.error(
            f"--variants: no {', '.join(sorted(unknown))}; there are {', '.join(VARIANTS)}"
        )
    if args.only:
        print(json.dumps(play(args, args.only)))
        return

    found: dict[str, list[dict[str, Any]]] = {name: [] for name in args.variants}
    for turn in range(args.turns):
        for name in args.variants:
            words = [sys.executable, __file__, *sys.argv[1:], "--only", name]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode and name == "onnx":
                print(f"left out: {name}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
                continue
            if done.returncode:
                raise IsegmError(f"{name} failed: {done.stderr.strip() or done.stdout.strip()}")
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
            print(f"turn {turn + 1}, {name}: {found[name][-1]['wall']:.1f} s", file=sys.stderr)
    show({name: turns for name, turns in found.items() if turns})


def names(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def numbers(text: str) -> list[int]:
    return [int(word) for word in names(text)]


def show(found: dict[str, list[dict[str, Any]]]) -> None:
    first, *_ = found
    print(f"{torch.get_num_threads()} threads; medians over {len(found[first])} turns\n")
    print(
        f"| variant | ms per click | of that, network | faster than {first} |"
        " than the line above | each turn | same clicks |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    expected = found[first][0]["clicks"]
    made = sum(len(clicks) for clicks in expected)
    walls = {name: [turn["wall"] for turn in turns] for name, turns in found.items()}
    before = base = float(np.median(walls[first]))
    for name, turns in found.items():
        wall = float(np.median(walls[name]))
        network = float(np.median([turn["model"] for turn in turns]))
        same = sum(a == b for a, b in zip(turns[0]["clicks"], expected, strict=True))
        # A turn of every variant is played before the next turn: their ratio is the paired one.
        ratios = [a / b for a, b in zip(walls[first], walls[name], strict=False)]
        print(
            f"| {VARIANTS[name]} | {1000 * wall / made:.0f} | {1000 * network / made:.0f} |"
            f" {base / wall:.2f}x | {before / wall:.2f}x |"
            f" {min(ratios):.2f}x to {max(ratios):.2f}x |"
            f" {same} of {len(expected)} objects |"
        )
        before = wall


if __name__ == "__main__":
    raise SystemExit(run(main))
