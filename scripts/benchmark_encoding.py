"""What a click gains when the part of the network that sees only the image is not run again.

    python scripts/benchmark_encoding.py --cpu --turns 5

Two clicks in the same view, with networks of the published sizes and random weights (they do not
matter here): once with what the first click left in the session, once without. The two take turns,
and medians of CPU seconds are compared. Of methods whose networks have no such part worth keeping,
it shows how long the layers before the clicks take: the most that could be gained.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this clone's package first

from isegm.cli.running import Formatter, run, say
from isegm.core.clicks import Click
from isegm.core.registry import Spec, build
from isegm.core.rounds import Session
from isegm.inference.predictor import Predictor
from isegm.inference.speed import for_evaluation
from isegm.inference.views.whole_image import WholeImage
from isegm.methods.base import ClickModel
from isegm.methods.emc_click import emc_hrnet
from isegm.methods.fcanet import fcanet
from isegm.methods.focalclick import focalclick_segformer
from isegm.methods.ritm import ritm_hrnet
from isegm.methods.simpleclick import simpleclick
from isegm.utils.device import pick_device
from isegm.utils.memory import wait

CLICKS = (Click(100, 120, True), Click(30, 40, False))


@dataclass(frozen=True)
class Case:
    """A network, the side of its square view, and the first layer that sees the image."""

    spec: Spec
    side: int
    first: str = ""


CASES = {
    "SimpleClick ViT-B, 448": Case(simpleclick("base", 448), 448),
    "FocalClick SegFormer-B0-S2, 256": Case(focalclick_segformer("b0"), 256),
    "FocalClick SegFormer-B3-S2, 256": Case(focalclick_segformer("b3"), 256),
    "EMC-Click HRNet-18s, 384": Case(emc_hrnet(18, "small", 48, 64), 384),
    "RITM HRNet-18s, 400": Case(ritm_hrnet(18, "small", 48), 400, "backbone.conv1"),
    "FCA-Net ResNet-101, 512": Case(fcanet(), 512, "backbone.conv1"),
}


def seconds(act: Callable[[], object], device: torch.device) -> float:
    """CPU seconds on a CPU, where other work must not count; otherwise seconds."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    wait(device)
    started = clock()
    act()
    wait(device)
    return clock() - started


def forgetful(session: Session) -> Session:
    """A session without what was computed from the image; a state is cut to what must be there."""
    state = session.state
    if dataclasses.is_dataclass(state) and hasattr(state, "context"):
        state = dataclasses.replace(state, context=None)
    return dataclasses.replace(session, features=None, state=state)


def measured(case: Case, turns: int, device: torch.device) -> tuple[float, float, float]:
    """Medians of the second click with and without the first one's features, and the largest
    difference of the two answers.
    """
    torch.manual_seed(0)
    model = for_evaluation(build(case.spec).to(device))
    predictor = Predictor(model, WholeImage(size=(case.side, case.side)))
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (case.side, case.side, 3), dtype=np.uint8)
    session = predictor.click(predictor.start(image), CLICKS[0])
    bare = forgetful(session)
    if case.first:
        return first_layer(model, case, predictor, session, turns)
    times: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(turns):
        for kept, start in ((True, session), (False, bare)):
            times[kept].append(seconds(lambda s=start: predictor.click(s, CLICKS[1]), device))
    a, b = (predictor.click(start, CLICKS[1]).prob for start in (session, bare))
    with_it, without = (statistics.median(times[kept]) for kept in (True, False))
    return with_it, without, float((a - b).abs().max())


def first_layer(
    model: ClickModel, case: Case, predictor: Predictor, session: Session, turns: int
) -> tuple[float, float, float]:
    """A click without its first convolution, whose part for the image could be kept, and with."""
    layer: nn.Module = model.get_submodule(case.first)
    shown: list[torch.Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, inputs: shown.append(inputs[0]))
    predictor.click(session, CLICKS[1])
    hook.remove()
    device, times = predictor.device, ([], [])
    with torch.inference_mode():
        for _ in range(turns):
            times[0].append(seconds(lambda: layer(shown[0]), device))
            times[1].append(seconds(lambda: predictor.click(session, CLICKS[1]), device))
    layer_alone, click = (statistics.median(t) for t in times)
    return click - layer_alone, click, 0.0


def main(args: argparse.Namespace) -> None:
    torch.set_num_threads(args.threads)
    device = pick_device(args.cpu, args.gpus)
    say("| network, side of the view | with | without | ratio | largest difference |")
    say("|---|---:|---:|---:|---:|")
    for name, case in CASES.items():
        kept, without, difference = measured(case, args.turns, device)
        shown = "not kept" if case.first else f"{difference:.2g}"
        times = f"{1000 * kept:.0f} ms | {1000 * without:.0f} ms | {without / kept:.2f}x"
        say(f"| {name} | {times} | {shown} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Formatter)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--gpus")
    parser.add_argument("--cpu", action="store_true", help="use no GPU")
    raise SystemExit(run(lambda: main(parser.parse_args())))
