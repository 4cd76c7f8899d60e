"""Measure what a model costs per click: operations, time, memory.

isegm speed models/ritm/hrnet18s_cocolvis.py --cpu
isegm speed model.safetensors --modes NoBRS,f-BRS-B --save-json speed.json
isegm speed model.safetensors --size 1024,1024 --grid 16
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from isegm.cli import flags
from isegm.cli.running import say
from isegm.core.errors import IsegmError
from isegm.data.evaluation_sets import evaluation_set
from isegm.evaluation.results import environment
from isegm.evaluation.speed import HOW, grid_latency, measure
from isegm.foreign.names import parsed
from isegm.inference.modes import with_mode
from isegm.inference.opening import open_model
from isegm.inference.protocol import protocol_for
from isegm.inference.speed import for_evaluation
from isegm.methods.base import ClickModel
from isegm.methods.checkpoints import STARTER
from isegm.training.experiment_file import load_experiment
from isegm.utils.config import load_config
from isegm.utils.device import pick_device
from isegm.utils.files import replacing


class First:
    """The first objects of an evaluation set."""

    def __init__(self, dataset: Any, count: int) -> None:
        self.dataset, self.count, self.name = dataset, count, dataset.name

    def __len__(self) -> int:
        return min(self.count, len(self.dataset))

    def __getitem__(self, index: int) -> Any:
        return self.dataset[index]

    def ids(self) -> list[str]:
        return self.dataset.ids()[: self.count]


def load(source: str, config_path: str | None, device: torch.device) -> ClickModel:
    if source.endswith(".py") and parsed(source) is None:
        torch.manual_seed(0)
        experiment = load_experiment(source).experiment
        return experiment.build(experiment.model).to(device).eval()
    return open_model(source, device, load_config(config_path)).model


def show(mode: str, figures: dict[str, Any], base: dict[str, Any]) -> None:
    say(f"\n{mode}: {figures['parameters'] / 1e6:.2f} M parameters")
    say(f"{'':14}{'GFLOPs':>9}{'ms p50':>9}{'ms p95':>9}{'x NoBRS':>9}{'passes':>8}")
    for kind in ("first_click", "later_click"):
        row = figures[kind]
        ratio = row["ms_p50"] / base[kind]["ms_p50"]
        passes = f"{row['evaluations']:.1f}" if "evaluations" in row else "-"
        say(f"{kind:14}{costs(row)}{ratio:9.2f}{passes:>8}")
        if "second_look" in row:
            say(f"{'  second look':14}{costs(row['second_look'])}")
    if "grid" in figures:
        grid = figures["grid"]
        say(
            f"grid of {grid['side']} x {grid['side']} prompts: {grid['seconds']:.2f} s,"
            f" {grid['ms_per_prompt']:.1f} ms per prompt"
        )
    whole, before = figures["evaluation"], base["evaluation"]["ms_per_click"]
    passes = f", {whole['evaluations']:.1f} evaluations per click" if "evaluations" in whole else ""
    say(
        f"simulated user {figures['simulation_ms']:.2f} ms per click;"
        f" peak memory {figures['peak_memory_mb']:.0f} MB\n"
        f"whole evaluation {figures['objects_per_second']:.2f} objects/s,"
        f" {whole['ms_per_click']:.0f} ms per click"
        f" ({whole['ms_per_click'] / before:.2f} x NoBRS){passes}"
    )


def costs(row: dict[str, float]) -> str:
    return f"{row['gflops']:9.2f}{row['ms_p50']:9.1f}{row['ms_p95']:9.1f}"


def add_flags(parser: argparse.ArgumentParser) -> None:
    known = "an experiment script (random weights) or a checkpoint"
    parser.add_argument("model", nargs="?", default=STARTER, help=known)
    parser.add_argument("--modes", default="NoBRS", help="comma-separated, see isegm evaluate")
    flags.add_protocol(parser)
    parser.add_argument(
        "--size", default="400,600", help="rows,columns of the image single clicks are timed on"
    )
    parser.add_argument("--repeats", type=int, default=10, help="timed clicks of each kind")
    parser.add_argument(
        "--objects", type=int, default=4, help="synthetic objects of the whole evaluation"
    )
    parser.add_argument(
        "--grid", type=int, help="also time a grid of N x N single-click prompts, e.g. 16"
    )
    flags.add_as_is(parser)
    parser.add_argument("--save-json", help="write the figures here")
    flags.add_device(parser)
    flags.add_config(parser)


def main(args: argparse.Namespace) -> None:
    rows, _, columns = args.size.partition(",")
    if not (rows.isdigit() and columns.isdigit() and min(int(rows), int(columns)) >= 32):
        raise IsegmError(
            f"--size {args.size}: expected rows,columns of at least 32 pixels, e.g. 400,600"
        )
    if args.repeats < 1 or args.objects < 1:
        raise IsegmError("--repeats and --objects must be at least 1")
    if args.grid is not None and not 1 <= args.grid <= min(int(rows), int(columns)):
        raise IsegmError(f"--grid {args.grid}: expected prompts per side, e.g. 16")

    device = pick_device(args.cpu, args.gpus)
    network = load(args.model, args.config_path, device)
    network = network if args.as_is else for_evaluation(network)
    protocol = protocol_for(network, args.protocol)
    dataset = First(evaluation_set("synthetic", load_config(args.config_path)), args.objects)
    say(f"{args.model}, protocol {protocol.label}, {device}, {torch.get_num_threads()} threads")
    figures: dict[str, dict[str, Any]] = {}
    for mode in dict.fromkeys(["NoBRS", *args.modes.split(",")]):
        model, limit = with_mode(network, mode)
        size = (int(rows), int(columns))
        figures[mode] = measure(
            model, protocol, dataset, size=size, repeats=args.repeats, clicks_limit=limit
        )
        if args.grid:
            predictor = protocol.predictor(model, clicks_limit=limit)
            figures[mode]["grid"] = grid_latency(predictor, size, args.grid)
        show(mode, figures[mode], figures["NoBRS"])
    say("\n" + "\n".join(f"{name}: {text}" for name, text in HOW.items()))
    if args.save_json:
        whole = {
            "schema": 1,
            "model": args.model,
            "protocol": protocol.label,
            "size": [int(rows), int(columns)],
        }
        whole |= {"how": HOW, "environment": environment(), **figures["NoBRS"], "modes": figures}
        with replacing(Path(args.save_json)) as partial:
            partial.write_text(json.dumps(whole, indent=1))
