"""How much each ingredient of a training step brings, against the plain sequential step, in one
run.

    python scripts/benchmark_training.py --cpu --batch-size 4
    python scripts/benchmark_training.py --batch-size 32 --steps 20 --curves curves.png

The step is RITM's: HRNet-18s, crops of 320x480, three corrections. Every variant runs in a process
of its own on the same batches, which are loaded before; the variants take turns, and medians over
the turns are compared, so that other work on the machine hits all of them alike. It also says what
share each part of the step has, and whether data loading keeps up. ``--curves`` trains with every
variant that changes rounding, on the same samples, and draws the losses over each other.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this clone's package first

from isegm.cli.running import Formatter, run
from isegm.core.errors import IsegmError
from isegm.core.registry import build
from isegm.data.dataset import ClickDataset
from isegm.data.sampling.multi_point import MultiPoint
from isegm.data.sources.synthetic import SyntheticSource
from isegm.methods.base import ClickModel
from isegm.methods.ritm import ritm_hrnet
from isegm.reference.training_step import sequential_clicks, sequential_step
from isegm.reference.twin import slow_twin
from isegm.training.batches import Batch, Loader
from isegm.training.corrections import next_clicks
from isegm.training.experiment import Training
from isegm.training.experiment_file import load_experiment
from isegm.training.learner import Learner
from isegm.training.optimisation import Adam, Constant
from isegm.training.preflight import seconds_per_item
from isegm.training.rollout import evaluating
from isegm.training.users.iterative import Iterative
from isegm.utils.config import load_config
from isegm.utils.device import native_bf16, pick_device
from isegm.utils.memory import wait
from isegm.utils.processes import Process

# Each variant adds to the one before it.
VARIANTS: dict[str, set[str]] = {"sequential": set()}
for _name, _ingredient in (
    ("+ memory kept", "memory"),
    ("+ windowed click maps", "maps"),
    ("+ clicks in threads, cut to the error", "learner"),
    ("+ channels last", "channels_last"),
    ("+ bf16", "bf16"),
    ("+ compiled", "compile"),
):
    VARIANTS[_name] = {*list(VARIANTS.values())[-1], _ingredient}
NETWORKS = {
    "hrnet18s": {"width": 18, "depth": "small", "ocr_width": 48},
    "tiny": {"width": 8, "depth": "tiny", "ocr_width": 16},
}
ITEMS = 1_000_000  # of an epoch, which never ends here
SEQUENTIAL, WHOLE = "sequential", "+ channels last"
Step = Callable[[Batch], dict[str, Any]]


def training_data(args: argparse.Namespace) -> ClickDataset:
    crop = [int(side) if side.isdecimal() else 0 for side in args.crop.split(",")]
    if args.data != "synthetic":
        changes = {"data.augment.crop": crop, "data.epoch_len": ITEMS}
        experiment = load_experiment(args.data).experiment.changed(changes)
        return experiment.build(experiment.data, cfg=load_config(args.config_path))
    if len(crop) != 2 or min(crop) < 1:
        raise IsegmError(f"--crop {args.crop}: expected rows and columns, e.g. 320,480")
    clicks = MultiPoint(max_clicks=24, gamma=0.8, merge_prob=0.15)
    return ClickDataset(SyntheticSource(crop, ITEMS), clicks, epoch_len=ITEMS, min_object_area=500)


def loaded(args: argparse.Namespace, steps: int) -> Iterator[Batch]:
    size = args.batch_size
    keys = [
        [(0, position) for position in range(first, first + size)]
        for first in range(0, steps * size, size)
    ]
    with contextlib.closing(Loader(training_data(args), keys, args.workers, pin=False)) as loader:
        yield from loader


def network(args: argparse.Namespace, has: set[str]) -> tuple[ClickModel, torch.device]:
    device = pick_device(args.cpu, args.gpus, keep_memory="memory" in has)
    torch.manual_seed(0)
    model: ClickModel = build(ritm_hrnet(**NETWORKS[args.network]))
    return (model if "maps" in has else slow_twin(model)).to(device), device


def learner_of(args: argparse.Namespace, has: set[str]) -> Learner:
    model, device = network(args, has)
    switches = {
        "channels_last": "channels_last" in has,
        "compile": "compile" in has,
        "amp": "bf16" if "bf16" in has else "off",
    }
    config = Training(batch_size=args.batch_size, **switches)
    return Learner(model, config, Adam(lr=args.lr), Constant(), Iterative(), Process(device=device))


def step_of(
    args: argparse.Namespace, has: set[str], rounds: int | None
) -> tuple[Step, torch.device]:
    """How a variant trains on a batch; ``rounds`` None draws them as a training does."""
    if "learner" in has:
        learner = learner_of(args, has)
        return lambda batch: learner.learn(batch, rounds).losses, learner.process.device
    model, device = network(args, has)
    optimizer = Adam(lr=args.lr).of(model)
    return lambda batch: sequential_step(
        model, optimizer, batch, 3 if rounds is None else rounds
    ), device


def measure(args: argparse.Namespace, name: str) -> dict[str, Any]:
    """One turn of one variant; runs in a process of its own."""
    step, device = step_of(args, VARIANTS[name], args.rounds)
    batches = list(loaded(args, args.warmup + args.steps))
    losses = [float(step(batch)["loss"]) for batch in batches[: args.warmup]]
    wait(device)
    started = time.perf_counter()
    for batch in batches[args.warmup :]:
        step(batch)
    wait(device)
    return {"seconds": (time.perf_counter() - started) / args.steps, "losses": losses}


def shares(args: argparse.Namespace, name: str) -> dict[str, float]:
    """Seconds of the parts of one step, each run alone and waited for."""
    has, rounds = VARIANTS[name], args.rounds
    learner = learner_of(args, has)
    model, optimizer, device = learner.state.model, learner.state.optimizer, learner.process.device
    (batch,) = loaded(args, 1)
    learner.learn(batch, rounds)
    round_, target = learner.round(batch, rounds)
    seeds = batch["seed"].tolist()

    def simulate() -> None:
        if "learner" in has:
            next_clicks(
                round_.prev_prob,
                target,
                [np.random.default_rng([seed, 0]) for seed in seeds],
                pool=learner.pool,
            )
        else:
            sequential_clicks(round_.prev_prob, target, seeds, 0)

    def answer() -> None:
        with torch.no_grad(), evaluating(model), learner.autocast():
            model(round_)

    def loss() -> torch.Tensor:
        with learner.autocast():
            return torch.stack(list(learner.step(round_, target)[0].values())).sum()

    maps, answering, learning = (
        seconds(w, device) for w in (lambda: model.inputs(round_), answer, loss)
    )
    parts = {
        "network, corrections": rounds * (answering - maps),
        "simulated clicks": rounds * seconds(simulate, device),
        "click maps": (rounds + 1) * maps,
        "network and losses, learning": learning - maps,
        "backward": seconds(lambda: loss().backward(), device) - learning,
        "optimizer": seconds(optimizer.step, device),
    }
    learner.close()
    return parts


def seconds(work: Callable[[], Any], device: torch.device) -> float:
    """The median of three runs."""
    found = []
    for _ in range(3):
        wait(device)
        started = time.perf_counter()
        work()
        wait(device)
        found.append(time.perf_counter() - started)
    return float(np.median(found))


def curve(args: argparse.Namespace, name: str) -> list[float]:
    """The losses of a training with the settings of a variant."""
    step, _ = step_of(args, VARIANTS[name], None)
    losses = [step(batch)["loss"] for batch in loaded(args, args.curve_steps)]
    return [float(loss) for loss in losses]


def child(args: argparse.Namespace, job: str, name: str) -> Any:
    """What a job of one variant returns, done in a process of its own."""
    words = [sys.executable, __file__, *sys.argv[1:], "--job", job, "--only", name]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise IsegmError(f"{name} failed: {done.stderr.strip() or done.stdout.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def possible(args: argparse.Namespace) -> list[str]:
    """The variants that make sense on this device."""
    device = pick_device(args.cpu, args.gpus)
    left_out = set() if native_bf16(device) else {"bf16"}
    left_out |= set() if device.type == "cuda" or args.compile else {"compile"}
    return [name for name, has in VARIANTS.items() if not has & left_out]


def main() -> None:
    args = arguments()
    if args.only:
        print(
            json.dumps(
                {"measure": measure, "shares": shares, "curve": curve}[args.job](args, args.only)
            )
        )
        return
    training_data(args)  # a mistake is noticed here, not in every variant
    names = possible(args)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for turn in range(args.turns):
        for name in names:
            found[name].append(child(args, "measure", name))
            print(
                f"turn {turn + 1}, {name}: {found[name][-1]['seconds']:.2f} s per step",
                file=sys.stderr,
            )
    show_variants(args, found)
    show_shares({name: child(args, "shares", name) for name in (SEQUENTIAL, WHOLE)})
    show_loading(args, float(np.median([turn["seconds"] for turn in found[names[-1]]])))
    if args.curves:
        draw(
            {name: child(args, "curve", name) for name in names[names.index(WHOLE) - 1 :]},
            args.curves,
        )


def show_variants(args: argparse.Namespace, found: dict[str, list[dict[str, Any]]]) -> None:
    threads = torch.get_num_threads()
    print(
        f"{threads} threads, batch {args.batch_size}, {args.rounds} corrections; medians of"
        f" {args.turns} turns\n"
    )
    print(
        "| variant | s per step | faster than sequential | than the line above | loss of the first"
        " step |"
    )
    print("|---|---:|---:|---:|---:|")
    base = before = None
    for name, turns in found.items():
        seconds = float(np.median([turn["seconds"] for turn in turns]))
        base, before = base or seconds, before or seconds
        first = turns[0]["losses"][0]
        print(
            f"| {name} | {seconds:.3f} | {base / seconds:.2f}x | {before / seconds:.2f}x |"
            f" {first:.6f} |"
        )
        before = seconds


def show_shares(found: dict[str, dict[str, float]]) -> None:
    print(
        "\n| part | "
        + " | ".join(f"{name} |  " for name in found)
        + "|\n|---|"
        + "---:|---:|" * len(found)
    )
    for part in next(iter(found.values())):
        cells = [
            f"{1000 * parts[part]:.0f} ms | {100 * parts[part] / sum(parts.values()):.1f} %"
            for parts in found.values()
        ]
        print(f"| {part} | {' | '.join(cells)} |")


def show_loading(args: argparse.Namespace, seconds: float) -> None:
    item = seconds_per_item(training_data(args), [(0, position) for position in range(12)])
    need = args.batch_size / seconds
    print(
        f"\nloading: {1 / item:.1f} items/s per worker; the fastest step needs {need:.1f},"
        f" {need * item:.2f} workers"
    )


def draw(curves: dict[str, list[float]], path: str) -> None:
    """Moving averages of the losses over each other, and the numbers beside the picture as JSON."""
    figure = Figure((8, 5), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="loss")
    for name, losses in curves.items():
        window = max(1, len(losses) // 20)
        axes.plot(np.convolve(losses, np.ones(window) / window, "valid"), label=name, alpha=0.8)
    axes.legend()
    figure.savefig(path, dpi=120)
    with open(f"{path}.json", "w") as file:
        json.dump(curves, file)
    first = next(iter(curves.values()))
    for name, losses in curves.items():
        tail = slice(-max(1, len(losses) // 5), None)
        print(
            f"curve {name}: mean loss of the last fifth {np.mean(losses[tail]):.4f}"
            f" ({np.mean(first[tail]):.4f})"
        )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=Formatter)
    add = parser.add_argument
    add("--network", choices=NETWORKS, default="hrnet18s")
    add(
        "--data",
        default="synthetic",
        help="synthetic, or an experiment whose data are used, e.g. models/ritm/hrnet18_sbd.py",
    )
    add("--crop", default="320,480")
    add("--batch-size", type=int, default=4)
    add("--rounds", type=int, default=3, help="corrections per step")
    add("--warmup", type=int, default=2, help="steps that are not timed")
    add("--steps", type=int, default=5, help="steps that are")
    add("--turns", type=int, default=3)
    add("--workers", type=int, default=-1, help="data processes")
    add("--lr", type=float, default=5e-4)
    add("--compile", action="store_true", help="torch.compile on a CPU too")
    add("--curves", metavar="PNG", help="also train with each variant and draw the losses")
    add("--curve-steps", type=int, default=300)
    device = parser.add_mutually_exclusive_group()
    device.add_argument("--gpus", help="number of the GPU to use")
    device.add_argument("--cpu", action="store_true")
    add("--config-path", help="another config.yml")
    add("--only", choices=VARIANTS, help=argparse.SUPPRESS)
    add("--job", default="measure", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(run(main))
