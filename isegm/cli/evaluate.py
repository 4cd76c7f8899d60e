"""Benchmark a checkpoint: NoC tables on interactive segmentation data sets.

    isegm evaluate NoBRS --checkpoint model.safetensors --datasets GrabCut,Berkeley
    isegm evaluate f-BRS-B --checkpoint model.safetensors --datasets GrabCut --save-json out.json
    isegm evaluate --checkpoint model.safetensors --replay session.json   # clicks made in the demo
    torchrun --nproc-per-node 2 -m isegm evaluate NoBRS --checkpoint model.safetensors   # split

Without --protocol the method's own published protocol is used; which one is printed. An interrupted
run continues where it stopped when the same command is given again.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from easydict import EasyDict

from isegm.cli import flags
from isegm.cli.models import model_name, name_of_no_checkpoint, opened_model, prepared, run_name
from isegm.cli.replaying import replay_session
from isegm.cli.running import say
from isegm.core.errors import IsegmError, unknown
from isegm.data.evaluation_sets import evaluation_set
from isegm.evaluation.evaluate import Run, evaluate
from isegm.evaluation.metrics import mean_iou_at, read
from isegm.evaluation.pictures import ClickPictures
from isegm.evaluation.records import RecordFile
from isegm.evaluation.report import curve_picture, lacking, table
from isegm.evaluation.results import DatasetResult, RunResult
from isegm.inference.modes import MODES, PLAIN, with_mode
from isegm.inference.protocol import NO_STOP, Protocol, checked_iou
from isegm.methods.base import ClickModel
from isegm.originals.loading import LoadedModel
from isegm.utils.config import absolute, load_config
from isegm.utils.device import pick_device
from isegm.utils.files import check_output
from isegm.utils.processes import Process, joined, local_rank, world_size

log = logging.getLogger("isegm")


@dataclass(frozen=True)
class Task:
    """The part of an evaluation that is the same for all data sets."""

    model: ClickModel
    protocol: Protocol
    process: Process
    identity: dict[str, Any]
    output: Path

    def records(self, dataset: str) -> RecordFile:
        return RecordFile(
            self.output.with_name(f"{self.output.stem}.{dataset}"), self.identity, self.process.rank
        )


def add_what(parser: argparse.ArgumentParser) -> None:
    """What is evaluated, and where."""
    parser.add_argument("mode", nargs="?", help=f"how clicks are answered: {', '.join(MODES)}")
    which = parser.add_mutually_exclusive_group()
    flags.add_checkpoint(which, "--resume-path")  # without it or --exp-path: the starter
    which.add_argument(
        "--foreign",
        metavar="NAME[,KEY=VALUE...]",
        help="a promptable model of others, e.g. sam2.1-large or sam-base,policy=single, or a"
        " folder: docs/how-to/foreign.md",
    )
    which.add_argument(
        "--plugin", metavar="FILE", help="your own model: a .py with start and click"
    )
    which.add_argument(
        "--exp-path",
        help="a run folder under EXPS_PATH, e.g. ritm/hrnet18s_coco/000, or 000:last_checkpoint",
    )
    parser.add_argument(
        "--model_dir",
        "--model-dir",
        dest="model_dir",
        help="folder of --checkpoint, instead of WEIGHTS_PATH",
    )
    parser.add_argument("--datasets", default="GrabCut,Berkeley", help="comma-separated")
    parser.add_argument("--limit", type=int, help="only the first N objects of each data set")
    flags.add_folders(parser)
    flags.add_device(
        parser, "number of the GPU to use; with torchrun one for each process, e.g. 0,1"
    )
    flags.add_config(parser)
    parser.add_argument("--model-name", default="", help="row title in tables")


def add_how(parser: argparse.ArgumentParser) -> argparse._MutuallyExclusiveGroup:
    """By which protocol; returns the group of flags that say when an object is finished."""
    flags.add_protocol_settings(parser)
    parser.add_argument("--n-clicks", type=int, help="clicks per object at most")
    parser.add_argument("--min-n-clicks", type=int, help="clicks per object at least")
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--target-iou", type=float, help="stop an object at this IoU")
    target.add_argument("--all-clicks", action="store_true", help="never stop early")
    parser.add_argument(
        "--thresh", type=float, help="probability above which a pixel is in the mask"
    )
    parser.add_argument(
        "--clicks-limit",
        type=int,
        help="the network sees only the first N clicks; -1: --n-clicks",
    )
    flip = parser.add_mutually_exclusive_group()
    flip.add_argument("--no-flip", action="store_true", help="do not average with the mirror image")
    flip.add_argument("--with-flip", action="store_true", help="average with the mirror image")
    flags.add_as_is(parser)
    parser.add_argument("--bf16", action="store_true", help="bfloat16 autocast: faster, not exact")
    parser.add_argument(
        "--compile", action="store_true", help="torch.compile: slow at first, then faster"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="start over instead of continuing an interrupted run"
    )
    return target


def add_flags(parser: argparse.ArgumentParser) -> None:
    add_what(parser)
    parser.add_argument(
        "--replay",
        metavar="SESSION",
        help="answer the clicks of a session file of isegm demo again",
    )
    parser.add_argument("--image", help="for --replay: the image, if it is not in the session file")
    flags.add_user(parser)
    add_how(parser).add_argument(
        "--iou-analysis",
        action="store_true",
        help="never stop early; draws mean IoU against clicks",
    )
    parser.add_argument(
        "--print-ious",
        action="store_true",
        help="print the mean IoU after every click; never stop early",
    )
    parser.add_argument(
        "--save-ious", action="store_true", help="write the IoU curves as .npz into the logs folder"
    )
    parser.add_argument("--save-json", help="the result file (default: in the logs folder)")
    parser.add_argument(
        "--vis-preds", action="store_true", help="write a picture per click into the logs folder"
    )
    parser.add_argument(
        "--vis-points", action="store_true", help="draw the clicks into these pictures"
    )
    parser.add_argument(
        "--logs-path", "--save-path", help="folder for results (default: EXPS_PATH/evaluation_logs)"
    )


def chosen_protocol(args: argparse.Namespace, model: ClickModel) -> Protocol:
    # RITM's scripts never stop below 80 %.
    stop = (
        None if args.target_iou is None else max(0.8, checked_iou("--target-iou", args.target_iou))
    )
    changes = {
        "max_clicks": args.n_clicks,
        "min_clicks": args.min_n_clicks,
        "mask_threshold": args.thresh,
        "mirror": False if args.no_flip else True if args.with_flip else None,
        "stop_iou": NO_STOP if args.iou_analysis or args.all_clicks else stop,
    }
    if args.print_ious and args.target_iou is None and (args.min_n_clicks or 1) <= 1:
        changes["stop_iou"] = NO_STOP
    protocol = flags.asked_protocol(
        args, model, **{k: v for k, v in changes.items() if v is not None}
    )
    if args.user:
        protocol = flags.with_user(protocol, flags.parsed_user(args.user))
    notes = []
    if args.clicks_limit is not None:
        limit = "max_clicks" if args.clicks_limit == -1 else args.clicks_limit
        notes.append(f"clicks_limit={limit}")
    if args.bf16:
        notes.append("bf16")
    return protocol.noting(*notes)


def evaluate_one(args: argparse.Namespace, cfg: EasyDict, task: Task, name: str) -> DatasetResult:
    dataset = evaluation_set(name, cfg)
    protocol = task.protocol.for_dataset(dataset.name)
    limit = protocol.max_clicks if args.clicks_limit == -1 else args.clicks_limit
    model, limit = with_mode(task.model, args.mode, limit, {"threshold": protocol.mask_threshold})
    predictor = protocol.predictor(model, clicks_limit=limit, amp=args.bf16)
    pictures = None
    if args.vis_preds or args.vis_points:
        folder = logs_folder(args, cfg) / "predictions" / dataset.name
        pictures = ClickPictures(folder, protocol.mask_threshold, points=args.vis_points)
        log.info("%s: a picture per click goes to %s", dataset.name, folder)
    result = evaluate(
        predictor,
        dataset,
        protocol,
        limit=args.limit,
        observer=pictures,
        run=Run(task.records(dataset.name), task.process, progress=task.process.first),
    )
    if result.skipped:
        log.warning(
            "%s: %d of %d objects were skipped",
            name,
            len(result.skipped),
            len(result.skipped) + len(result.objects),
        )
    negative = sum(not record.clicks[0][2] for record in result.objects) if protocol.sis else 0
    if negative:
        log.warning(
            "%s: %d objects start with a negative click; with --sis their masks were empty until a"
            " positive one",
            name,
            negative,
        )
    return result


def report(args: argparse.Namespace, cfg: EasyDict, outcome: RunResult) -> None:
    """Print the table, and print or write the other requested outputs."""
    say(table([outcome]))
    name = outcome.model_name or Path(outcome.checkpoint.get("path") or "model").stem
    for result in outcome.datasets:
        clicks = sum(len(c) for c in result.curves)
        spent = ", ".join(
            f"{stage} {1000 * result.seconds[stage] / clicks:.1f}"
            for stage in ("model", "simulation", "io")
        )
        by_rank = ", ".join(
            f"{word} {1000 * read(name).value(result.objects, result.max_clicks):.1f}"
            for word, name in (("first", "SPC-first"), ("later", "SPC-later"))
            if not lacking(result, name)
        )
        say(
            f"{result.name}: milliseconds per click: {spent} (model: {by_rank});"
            f" {result.seconds['wall']:.1f} s in all"
        )
        if args.print_ious:
            means = [mean_iou_at(result.curves, click) for click in range(1, result.max_clicks + 1)]
            say(f"{result.name} mean IoU per click: " + " ".join(f"{100 * m:.2f}" for m in means))
        if args.save_ious:
            path = logs_folder(args, cfg) / "ious" / f"{result.name}_{name}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, **{o.id: np.asarray(o.ious, np.float32) for o in result.objects})
            say(f"{result.name} IoU curves: {path}")
    if args.iou_analysis:
        picture = logs_folder(args, cfg) / f"{name}_iou.png"
        curve_picture([outcome], picture)
        say(f"mean IoU against clicks: {picture}")


def logs_folder(args: argparse.Namespace, cfg: EasyDict) -> Path:
    if args.logs_path:
        return Path(args.logs_path)
    return absolute(cfg, cfg.EXPS_PATH) / "evaluation_logs"


def chosen_device(args: argparse.Namespace) -> torch.device:
    """With torchrun a GPU for each process; several processes may share one."""
    gpu = args.gpus
    if gpu is not None:
        gpus = gpu.split(",")
        gpu = gpus[local_rank() % len(gpus)]
    elif world_size() > 1 and torch.cuda.is_available():
        gpu = local_rank()
    return pick_device(args.cpu, gpu)


def data_sets(args: argparse.Namespace) -> list[str]:
    """The names of ``--datasets``."""
    names = [n.strip() for n in args.datasets.split(",") if n.strip()]
    if not names:
        raise IsegmError("--datasets is empty; name at least one, e.g. --datasets GrabCut")
    return names


def play_all(args: argparse.Namespace, cfg: EasyDict, task: Task, loaded: LoadedModel) -> RunResult:
    """Evaluate every data set, and write the result file."""
    names, process = data_sets(args), task.process
    if process.first:
        log.info(
            "checkpoint %s (%s), protocol %s, %s",
            loaded.path,
            loaded.source,
            task.protocol.label,
            args.mode,
        )
        if args.fresh:
            for dataset in names:
                task.records(dataset).remove()
    process.barrier()
    results = [evaluate_one(args, cfg, task, dataset) for dataset in names]
    checkpoint = {"path": str(loaded.path), "sha256": loaded.sha256, "mode": args.mode}
    outcome = RunResult.of(task.protocol, checkpoint, results, run_name(args, loaded))
    if process.first:
        outcome.save(task.output)
        for dataset in names:
            task.records(dataset).remove()
    return outcome


def identity_of(
    args: argparse.Namespace, protocol: Protocol, loaded: LoadedModel
) -> dict[str, Any]:
    """What must be the same for an interrupted run to be continued."""
    return {
        "protocol": protocol.label,
        "checkpoint": loaded.sha256,
        "mode": args.mode,
        "clicks_limit": args.clicks_limit,
    }


def evaluated(args: argparse.Namespace, process: Process) -> tuple[RunResult, Path]:
    """Evaluate on all data sets; the result, and the file that it was written to."""
    cfg = flags.config_with_folders(args)
    data_sets(args)
    if process.first:
        check_output(args.save_json or logs_folder(args, cfg) / "any.json")
    if args.user:
        flags.parsed_user(args.user)  # a mistake is answered before anything is loaded
    loaded = opened_model(args, cfg, process.device)
    protocol = chosen_protocol(args, loaded.model)
    name = run_name(args, loaded)
    output = Path(args.save_json) if args.save_json else logs_folder(args, cfg) / f"{name}.json"
    identity = identity_of(args, protocol, loaded)
    task = Task(prepared(args, loaded.model), protocol, process, identity, output)
    return play_all(args, cfg, task, loaded), output


def checked_mode(args: argparse.Namespace) -> None:
    """Raise unless ``args.mode`` is None or one of ``MODES``."""
    if args.mode is not None and args.mode not in MODES:
        raise unknown("mode", args.mode, MODES)


def main(args: argparse.Namespace) -> None:
    checked_mode(args)
    if args.replay:
        cfg = load_config(args.config_path)
        replay_session(args, model_name(args, cfg), cfg)
        return
    if args.mode is None and name_of_no_checkpoint(args):
        args.mode = PLAIN[0]  # they have no other
    if args.mode is None:
        raise IsegmError(
            f"which mode? One of {', '.join(MODES)}, e.g. isegm evaluate NoBRS --checkpoint ..."
        )
    with joined(chosen_device(args), backend="gloo") as process:  # records travel between CPUs
        outcome, output = evaluated(args, process)
        if process.first:
            report(args, flags.config_with_folders(args), outcome)
            say(f"result file: {output}")
