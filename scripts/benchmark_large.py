"""What activation checkpointing, a frozen backbone, LoRA and bf16 save when a ViT is trained.

    python scripts/benchmark_large.py --cpu
    python scripts/benchmark_large.py --variant large --size 448 --batch-size 4

Every variant trains the same SimpleClick on the same batches in a process of its own. Memory is the
peak during steps minus what the process held before the network was built; on a CPU, seconds are
those of the CPU, so other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this clone's package first

from isegm.cli.running import Formatter, run, say
from isegm.core.registry import Spec, build, spec
from isegm.methods.simpleclick import simpleclick
from isegm.nn.recompute import recompute_blocks
from isegm.training.adaptation import Frozen, LoRA
from isegm.training.batches import Batch
from isegm.training.experiment import Training
from isegm.training.learner import Learner
from isegm.training.optimisation import AdamW, Constant
from isegm.training.users.iterative import Iterative
from isegm.utils import memory
from isegm.utils.device import pick_device
from isegm.utils.processes import Process

CLICKS = "backbone.patch_embed_coords"
FROZEN, LOW_RANK = spec(Frozen, parts=["backbone"], except_for=[CLICKS]), spec(LoRA, rank=8)
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "activation checkpointing": {"activation_checkpointing": True},
    "frozen backbone": {"adapt": FROZEN},
    "LoRA": {"adapt": LOW_RANK},
    "LoRA, checkpointing": {"adapt": LOW_RANK, "activation_checkpointing": True},
    "LoRA, checkpointing, bf16": {
        "adapt": LOW_RANK,
        "activation_checkpointing": True,
        "amp": "bf16",
    },
}
SMALL = {"channels": 192, "depth": 12, "heads": 3, "patch": 16}  # ViT-Ti


def network(args: argparse.Namespace) -> Spec:
    described = simpleclick(args.variant or "tiny", args.size)
    if not args.variant:
        parts = described["args"]
        parts["backbone"]["args"] |= SMALL | {"window": 224}
        parts["neck"]["args"]["in_channels"] = SMALL["channels"]
    return described


def batch_of(args: argparse.Namespace) -> Batch:
    rng, shape = torch.Generator().manual_seed(0), (args.batch_size, 1, args.size, args.size)
    target = torch.zeros(shape)
    target[..., args.size // 4 : args.size // 2, args.size // 4 :] = 1
    image = torch.randint(0, 256, (shape[0], 3, *shape[2:]), generator=rng, dtype=torch.uint8)
    clicks = torch.full((args.batch_size, 1, 2), args.size / 3, dtype=torch.float64)
    label, seed = torch.ones(args.batch_size, 1, dtype=torch.int64), torch.arange(args.batch_size)
    return {"image": image, "target": target, "yx": clicks, "label": label, "seed": seed}


def trained(args: argparse.Namespace, name: str) -> dict[str, float]:
    """Train a few steps of one variant in this process."""
    torch.set_num_threads(args.threads)
    device = pick_device(args.cpu, args.gpus)
    torch.manual_seed(0)
    before = memory.used(device)
    config = Training(batch_size=args.batch_size, **VARIANTS[name])
    model = build(network(args))
    if config.adapt:
        build(config.adapt).apply(model)
    if config.activation_checkpointing:
        recompute_blocks(model)
    learner = Learner(model, config, AdamW(), Constant(), Iterative(), Process(device=device))
    batch, times = batch_of(args), []
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    memory.reset_peak(device)
    for _ in range(args.steps + 1):  # the first step makes the optimizer's state
        memory.wait(device)
        started = clock()
        learner.learn(batch, 0)
        memory.wait(device)
        times.append(clock() - started)
    peak = memory.peak(device) - before
    learner.close()
    learned = [p for p in model.parameters() if p.requires_grad]
    state = [v for s in learner.state.optimizer.state.values() for v in s.values()]
    return {
        "learned": sum(p.numel() for p in learned),
        "values": sum(v.numel() for v in model.state_dict().values()),
        "kept": sum(p.grad.nbytes for p in learned) + sum(v.nbytes for v in state),
        "peak": peak,
        "seconds": statistics.median(times[1:]),
    }


def main(args: argparse.Namespace) -> None:
    if args.only:
        say(json.dumps(trained(args, args.only)))
        return
    say("| training | values that learn | gradients, optimizer | peak memory | per step | ratio |")
    say("|---|---:|---:|---:|---:|---:|")
    plain = 0.0
    for name in VARIANTS:
        command = [sys.executable, *sys.argv, "--only", name]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        made = json.loads(done.stdout.splitlines()[-1])
        plain = plain or made["seconds"]
        say(
            f"| {name} | {made['learned'] / 1e6:.2f} of {made['values'] / 1e6:.2f} M"
            f" | {made['kept'] / 1e6:.0f} MB | {made['peak'] / 1e6:.0f} MB"
            f" | {made['seconds']:.2f} s | {made['seconds'] / plain:.2f} |"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Formatter)
    parser.add_argument("--variant", help="of SimpleClick, e.g. base (default: a ViT-Ti)")
    parser.add_argument("--size", type=int, default=224, help="side of the crops, in pixels")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=VARIANTS, help="one variant, as JSON")
    parser.add_argument("--gpus")
    parser.add_argument("--cpu", action="store_true", help="use no GPU")
    raise SystemExit(run(lambda: main(parser.parse_args())))
