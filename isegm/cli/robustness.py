"""Play many simulated users on the same objects, and tabulate how far NoC spreads over them.

    isegm robustness --checkpoint model.safetensors --datasets GrabCut --output results/robustness
    isegm robustness --users centre jitter,share=0.2 worst_of,count=4 --seeds 3 --output OUT

Each user, and each seed of a random user, leaves an ordinary result file in the output
folder. The same command given again continues where it was interrupted; a file that is there is
not played again, so --noc 80 after --noc 90 only writes other tables. The tables are printed, and
written as robustness.md and robustness.csv.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import logging
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from isegm.cli import flags
from isegm.cli.evaluate import (
    Task,
    add_how,
    add_what,
    checked_mode,
    chosen_device,
    chosen_protocol,
    data_sets,
    identity_of,
    play_all,
)
from isegm.cli.models import opened_model, prepared
from isegm.cli.running import say
from isegm.core.errors import IsegmError
from isegm.data.evaluation_sets import evaluation_set
from isegm.evaluation.results import RunResult
from isegm.evaluation.robustness import (
    SPREAD_HEADER,
    Plays,
    robustness,
    spread_rows,
    tables,
    user_header,
    user_rows,
)
from isegm.evaluation.users.base import USERS
from isegm.inference.protocol import Protocol
from isegm.methods.base import ClickModel
from isegm.originals.loading import LoadedModel
from isegm.utils.files import replacing
from isegm.utils.processes import Process, joined

log = logging.getLogger("isegm")

ALL = (
    "centre",
    "jitter",
    "inside",
    "boundary",
    "smallest",
    "contradictory",
    "contradictory,undo=true",
    "drawn",
    "worst_of",
    "best_of",
)
# What add_how and add_what leave out and the functions of isegm.cli.evaluate look at.
UNUSED = {
    "user": None,
    "iou_analysis": False,
    "print_ious": False,
    "vis_preds": False,
    "vis_points": False,
}


@dataclass(frozen=True)
class Play:
    """One user with one seed.

    Attributes:
        title: what tables call the user, the same for all its seeds.
        user: its choice, seed included.
        file: its result file.
    """

    title: str
    user: dict[str, Any]
    file: Path


def add_flags(parser: argparse.ArgumentParser) -> None:
    add_what(parser)
    parser.add_argument("--output", required=True, help="folder of the result files and tables")
    parser.add_argument("--seeds", type=int, default=5, help="plays of each random user")
    parser.add_argument(
        "--noc",
        type=int,
        default=90,
        metavar="PERCENT",
        help="tabulate the clicks to this IoU, e.g. 80 for a weak network",
    )
    parser.add_argument(
        "--users",
        nargs="+",
        default=(),
        metavar="NAME[,KEY=VALUE...]",
        help=f"who clicks (default: {' '.join(ALL)}); a seed that is given is the only one",
    )
    parser.add_argument("--clicks", help="CSV file of recorded clicks: adds the user recorded")
    add_how(parser)
    parser.set_defaults(**UNUSED)


def plays_of(args: argparse.Namespace) -> list[Play]:
    """Every user with every seed, checked before anything is played."""
    if args.seeds < 1:
        raise IsegmError(f"--seeds {args.seeds}: expected a whole number from 1 on")
    texts = [*(args.users or ALL), *([f"recorded,path={args.clicks}"] if args.clicks else [])]
    found = []
    for text in dict.fromkeys(texts):
        user = flags.parsed_user(text)
        drawing = "seed" in {f.name for f in dataclasses.fields(USERS.part(user["name"]))}
        title = text.replace(user["path"], Path(user["path"]).name) if "path" in user else text
        seeds = range(args.seeds) if drawing and "seed" not in user else (None,)
        for seed in seeds:
            chosen = user if seed is None else {**user, "seed": seed}
            words = [chosen["name"], *(f"{k}={v}" for k, v in chosen.items() if k != "name")]
            name = re.sub(r"[^\w.=-]+", "_", ",".join(words))
            found.append(Play(title, chosen, Path(args.output) / f"{name}.json"))
    return found


def protocol_of(args: argparse.Namespace, play: Play, model: ClickModel) -> Protocol:
    protocol = flags.with_user(chosen_protocol(args, model), play.user)
    if args.noc / 100 not in protocol.thresholds():
        known = ", ".join(f"{100 * iou:.0f}" for iou in protocol.thresholds())
        raise IsegmError(
            f"there is no NoC@{args.noc}, only {known}: objects are stopped at an IoU of"
            f" {protocol.stop_iou:g}; choose another --noc or --target-iou"
        )
    return protocol


def known_result(args: argparse.Namespace, path: Path, expected: dict) -> RunResult | None:
    """What is in a user's result file, if it is there.

    Raises:
        IsegmError: it is the result of another run.
    """
    if args.fresh or not path.exists():
        return None
    run = RunResult.load(path)
    found = {
        "protocol": run.protocol_label,
        "checkpoint": run.checkpoint.get("sha256"),
        "mode": run.checkpoint.get("mode"),
        "data": [[d.name, d.fingerprint, len(d.objects) + len(d.skipped)] for d in run.datasets],
    }
    if others := [key for key in found if expected[key] != found[key]]:
        raise IsegmError(
            f"{path} is the result of another run: other {', '.join(others)}; choose another"
            " --output, or --fresh to play it again"
        )
    return run


def play_or_load(
    args: argparse.Namespace, task: Task, data: list, loaded: LoadedModel
) -> RunResult:
    known = known_result(args, task.output, {**task.identity, "data": data})
    task.process.barrier()  # nobody writes before everybody has looked
    return known or play_all(args, flags.config_with_folders(args), task, loaded)


def data_of(args: argparse.Namespace) -> list[list]:
    """What the result files say of the data sets: name, fingerprint, number of objects."""
    sets = [evaluation_set(name, flags.config_with_folders(args)) for name in data_sets(args)]
    counts = [len(s) if args.limit is None else min(args.limit, len(s)) for s in sets]
    return [[s.name, s.fingerprint(), n] for s, n in zip(sets, counts, strict=True)]


def write_tables(folder: Path, plays: list[Plays], threshold: int) -> str:
    """Write both tables in Markdown and CSV; returns the former."""
    found = robustness(plays, threshold)
    text = tables(found)
    run = plays[0].runs[0]
    changes = [note for note in run.protocol.get("changes") or () if not note.startswith("user")]
    label = replace(run, protocol={**run.protocol, "changes": changes}).protocol_label
    text += f"\n- {run.model_name}: protocol {label}, checkpoint {run.checkpoint['sha256'][:12]}"
    with replacing(folder / "robustness.md") as partial:
        partial.write_text(text + "\n")
    with replacing(folder / "robustness.csv") as partial, partial.open("w", newline="") as file:
        rows = [user_header(found), *user_rows(found), [], SPREAD_HEADER, *spread_rows(found)]
        csv.writer(file, lineterminator="\n").writerows(rows)
    return text


def play_users(args: argparse.Namespace, process: Process) -> None:
    plays = plays_of(args)
    loaded = opened_model(args, flags.config_with_folders(args), process.device)
    protocols = [protocol_of(args, play, loaded.model) for play in plays]
    model, runs = prepared(args, loaded.model), dict[str, list[RunResult]]()
    data = data_of(args)
    for number, (play, protocol) in enumerate(zip(plays, protocols, strict=True), 1):
        if process.first:
            log.info("%d of %d: %s", number, len(plays), play.file.stem)
        identity = identity_of(args, protocol, loaded)
        task = Task(model, protocol, process, identity, play.file)
        runs.setdefault(play.title, []).append(play_or_load(args, task, data, loaded))
    if process.first:
        grouped = [Plays(title, tuple(found)) for title, found in runs.items()]
        say(write_tables(Path(args.output), grouped, args.noc))
        say(f"result files and tables: {args.output}")


def main(args: argparse.Namespace) -> None:
    args.mode = args.mode or "NoBRS"
    checked_mode(args)
    with joined(chosen_device(args), backend="gloo") as process:  # records travel between CPUs
        play_users(args, process)
