"""Train an experiment.

isegm train models/ritm/hrnet18s_cocolvis.py --gpus 0,1      one process per GPU
isegm train models/ritm/tiny_synthetic.py --cpu              no GPU needed
isegm train models/ritm/hrnet18s_cocolvis.py --check         does it fit, how long does it take
isegm train models/ritm/hrnet18s_cocolvis.py --resume auto   continues the newest run
torchrun --nproc-per-node 4 -m isegm train SCRIPT            joins the processes of torchrun
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path

from isegm.cli import flags, train_flags
from isegm.cli.running import run
from isegm.core.errors import IsegmError
from isegm.evaluation.validation import noc_validation
from isegm.training.config import AMP, RunOptions
from isegm.utils.config import load_config
from isegm.utils.device import pick_device
from isegm.utils.experiment import load_experiment
from isegm.utils.launching import launch
from isegm.utils.overrides import parse_overrides
from isegm.utils.processes import launched, rank

# --batch-size 8 is --set train.batch_size=8
SHORTCUTS = ("batch_size", "micro_batch", "workers", "epochs", "lr", "amp", "seed")


def add_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("script", type=Path, help="experiment script, e.g. models/ritm/hrnet18s_cocolvis.py")
    add("--exp-name", default="", help="added to the number of the run folder")
    add("--batch-size", type=int, help="samples per step over all processes")
    add(
        "--micro-batch",
        type=int,
        help="samples per process that go through the network at once; gradients add up",
    )
    add(
        "--workers",
        type=int,
        help="data processes per training process; 0 loads in the training process",
    )
    add("--epochs", type=int)
    add("--lr", type=float, help="base learning rate")
    add("--amp", choices=AMP, help="automatic mixed precision")
    add("--seed", type=int, help="of everything random: train.seed and data.seed")
    add(
        "--weights",
        help="start from the weights of this checkpoint (path, or name under WEIGHTS_PATH)",
    )
    add(
        "--resume",
        help="auto, a run folder, a checkpoint, or how the name of a run folder begins; continues exactly",
    )
    add("--resume-exp", dest="resume", help="the same as --resume, RITM's name of it")
    add(
        "--resume-prefix",
        default="last_checkpoint",
        help="how the name of the checkpoint in that run folder begins",
    )
    add("--ngpus", type=int, default=0, help="use this many devices (with --cpu: processes)")
    add("--gpus", type=gpu_numbers, default=(), help="use these GPUs, e.g. 0,1")
    add("--cpu", action="store_true", help="use no GPU")
    add(
        "--check",
        action="store_true",
        help="train nothing: try data and batch size out, say how long it will take",
    )
    add(
        "--validate",
        default="",
        metavar="SETS",
        help="evaluation sets for NoC after every train.validate_every epochs",
    )
    add("--validate-objects", type=int, help="only the first so many objects of each")
    train_flags.add_short_flags(parser)
    add(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="e.g. train.clip=1 data.crop=[320,480]; repeatable",
    )
    flags.add_config(parser)
    add("--local_rank", "--local-rank", type=int, help=argparse.SUPPRESS)  # old launchers pass it; the environment says it too


def gpu_numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(dict.fromkeys(int(number) for number in text.split(",")))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected numbers like 0,1") from None


def chosen_gpus(args: argparse.Namespace) -> tuple[int, ...]:
    if args.ngpus and args.gpus and args.ngpus != len(args.gpus):
        raise IsegmError(f"--ngpus {args.ngpus} and --gpus with {len(args.gpus)} numbers disagree; give one of them")
    return args.gpus or tuple(range(args.ngpus))


def train(args: argparse.Namespace) -> None:
    cfg = load_config(args.config_path)
    cfg.overrides = parse_overrides(args.set)
    given = {name: getattr(args, name) for name in SHORTCUTS if getattr(args, name) is not None}
    cfg.overrides["train"] = {**cfg.overrides.get("train", {}), **given}
    if args.seed is not None:
        cfg.overrides["data"] = {**cfg.overrides.get("data", {}), "seed": args.seed}
    gpus = () if args.cpu else chosen_gpus(args)
    cfg.run = RunOptions(
        args.script,
        args.exp_name,
        args.resume,
        args.resume_prefix,
        args.weights,
        args.cpu,
        gpus,
        check=args.check,
    )
    if names := [name.strip() for name in args.validate.split(",") if name.strip()]:
        cfg.run = replace(cfg.run, validate=noc_validation(cfg, names, args.validate_objects))
    experiment = load_experiment(args.script)
    for section, changes in train_flags.given_flags(args, getattr(experiment, "MODEL", None), args.script).items():
        cfg.overrides[section] = {**cfg.overrides.get(section, {}), **changes}
    experiment.main(cfg)


def work(args: argparse.Namespace) -> int:
    def trained() -> None:
        if rank() != 0:
            logging.getLogger("isegm").setLevel(logging.ERROR)
        train(args)

    return run(trained)


def check(args: argparse.Namespace) -> None:
    """Notice what is wrong with the command line once, not once per process."""
    load_config(args.config_path)
    parse_overrides(args.set)
    for gpu in () if args.cpu else chosen_gpus(args):
        pick_device(gpu=gpu)


def main(args: argparse.Namespace) -> int:
    count = len(chosen_gpus(args))
    if launched() or count < 2:
        return work(args)
    check(args)
    return launch(work, [args], count)
