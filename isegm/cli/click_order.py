"""Show what the first, second, third click of a run is worth: IoU gain and centrality.

    isegm evaluate NoBRS --checkpoint model.safetensors --iou-analysis --save-json run.json
    isegm click-order run.json --plot clicks.png

Reads the images again, from where config.yml says, and runs no network. An object that was
stopped at its target has no later clicks, so the later rows of a run without --iou-analysis are
about the hard objects that are left.
"""

from __future__ import annotations

import argparse

from matplotlib.figure import Figure

from isegm.cli import flags
from isegm.cli.running import say
from isegm.core.errors import IsegmError, unknown
from isegm.data.evaluation_sets import evaluation_set
from isegm.evaluation.click_order import ClickRank, click_order, rank_table
from isegm.evaluation.report import name_of, save_figure
from isegm.evaluation.results import RunResult


def draw(ranks: dict[str, list[ClickRank]], path: str) -> None:
    """Gain and centrality against the index of the click, a line per data set."""
    figure = Figure(figsize=(9.2, 3.8), layout="constrained")
    gain, central = figure.subplots(1, 2)
    for name, rows in ranks.items():
        gains = [100 * rank.gain for rank in rows]
        gain.plot([rank.number for rank in rows], gains, marker=".", label=name)
        known = [rank for rank in rows if rank.centrality is not None]
        numbers, values = [rank.number for rank in known], [rank.centrality for rank in known]
        central.plot(numbers, values, marker=".", label=name)
    gain.set(xlabel="click", ylabel="mean gain in IoU (%)")
    central.set(xlabel="click", ylabel="centrality of positive clicks", ylim=(0, 1.02))
    for axis in (gain, central):
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
        axis.legend(fontsize="small")
    save_figure(figure, path)


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("result", help="a file written by isegm evaluate --save-json")
    parser.add_argument("--datasets", help="which of its data sets, comma-separated (default: all)")
    flags.add_folders(parser)
    parser.add_argument("--plot", help="write a picture here (.png, .svg or .pdf)")
    flags.add_config(parser)


def main(args: argparse.Namespace) -> None:
    cfg = flags.config_with_folders(args)
    outcome = RunResult.load(args.result)
    results = {result.name: result for result in outcome.datasets}
    names = [n.strip() for n in args.datasets.split(",")] if args.datasets else list(results)
    if not names:
        raise IsegmError(f"{args.result} holds no data set")
    ranks = {}
    for name in names:
        if name not in results:
            raise unknown(f"data set in {args.result}", name, results)
        ranks[name] = click_order(results[name], evaluation_set(name, cfg))
        say(
            f"{name}: {name_of(outcome)}, protocol {outcome.protocol_label}, data"
            f" {results[name].fingerprint[:8]}\n"
        )
        say(rank_table(ranks[name]), end="\n\n")
    if args.plot:
        draw(ranks, args.plot)
        say(f"picture: {args.plot}")
