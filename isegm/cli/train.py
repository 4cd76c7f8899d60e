"""Train an experiment.

isegm train models/ritm/hrnet18s_cocolvis.py --gpus 0,1      # one process per GPU
isegm train models/ritm/tiny_synthetic.py --cpu              # no GPU needed
isegm train models/ritm/hrnet18s_cocolvis.py --check         # does it fit, how long will it take
isegm train models/ritm/hrnet18s_cocolvis.py --resume auto   # continue the newest run
isegm train models/ritm/hrnet18s_cocolvis.py --show          # the experiment as JSON
isegm train --diff A B                                       # how two experiments differ
torchrun --nproc-per-node 4 -m isegm train SCRIPT            # in the processes of torchrun
"""

from __future__ import annotations

import argparse
import json
import logging
from dataclasses import replace
from pathlib import Path

from isegm.cli import flags, train_flags
from isegm.cli.running import run, say
from isegm.core.errors import IsegmError
from isegm.evaluation.validation import noc_validation
from isegm.training.experiment_file import Loaded, load_experiment, to_text
from isegm.training.options import RunOptions
from isegm.training.trainer import Trainer
from isegm.utils.config import load_config
from isegm.utils.device import pick_device
from isegm.utils.launching import launch
from isegm.utils.overrides import differences, parse_overrides
from isegm.utils.processes import launched, rank


def add_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    script = "an experiment, e.g. models/ritm/hrnet18s_cocolvis.py, or a run's experiment.json"
    add("script", type=Path, nargs="?", help=script)
    add("--exp-name", default="", help="added to the number of the run folder")
    resume = "auto, a run folder, a checkpoint, or the start of a run folder's name"
    add("--resume", help=f"{resume}; continues exactly")
    add("--resume-exp", dest="resume", help="the same as --resume, as in RITM's scripts")
    prefix = "the start of the name of the checkpoint in that run folder"
    add("--resume-prefix", default="last_checkpoint", help=prefix)
    add("--ngpus", type=int, default=0, help="use this many devices (with --cpu: processes)")
    add("--gpus", type=gpu_numbers, default=(), help="use these GPUs, e.g. 0,1")
    add("--cpu", action="store_true", help="use no GPU")
    check = "train nothing: test data and batch size, and estimate the training time"
    add("--check", action="store_true", help=check)
    validate = "evaluation sets for NoC after every train.validate_every epochs"
    add("--validate", default="", metavar="SETS", help=validate)
    add("--validate-objects", type=int, help="only the first N objects of each")
    train_flags.add_short_flags(parser)
    override = "e.g. train.clip=1; repeatable, see docs/how-to/train.md"
    add("--set", action="append", default=[], metavar="KEY=VALUE", help=override)
    show = "print the experiment after all overrides, as JSON; train nothing"
    add("--show", action="store_true", help=show)
    diff = "print how two experiments differ; train nothing"
    add("--diff", nargs=2, type=Path, metavar="EXPERIMENT", help=diff)
    flags.add_config(parser)
    # Old launchers pass it; the environment holds it, too.
    add("--local_rank", "--local-rank", type=int, help=argparse.SUPPRESS)


def gpu_numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(dict.fromkeys(int(number) for number in text.split(",")))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected numbers like 0,1") from None


def chosen_gpus(args: argparse.Namespace) -> tuple[int, ...]:
    if args.ngpus and args.gpus and args.ngpus != len(args.gpus):
        raise IsegmError(
            f"--ngpus {args.ngpus} and --gpus with {len(args.gpus)} numbers disagree; give one of"
            " them"
        )
    return args.gpus or tuple(range(args.ngpus))


def wanted(args: argparse.Namespace) -> Loaded:
    """The experiment after all overrides; ``--set`` wins over flags."""
    loaded = load_experiment(args.script)
    changes = train_flags.given_flags(args, loaded.experiment, args.script)
    changes |= parse_overrides(args.set)
    return replace(loaded, experiment=loaded.experiment.changed(changes).completed())


def train(args: argparse.Namespace) -> None:
    gpus = () if args.cpu else chosen_gpus(args)
    cfg = load_config(args.config_path)
    loaded = wanted(args)
    names = [name.strip() for name in args.validate.split(",") if name.strip()]
    options = RunOptions(
        name=loaded.name,
        files=loaded.files,
        exp_name=args.exp_name,
        resume=args.resume,
        resume_prefix=args.resume_prefix,
        cpu=args.cpu,
        gpus=gpus,
        validate=noc_validation(cfg, names, args.validate_objects) if names else None,
        check=args.check,
    )
    Trainer(loaded.experiment, cfg, options).fit()


def show(args: argparse.Namespace) -> None:
    """Print an experiment, or the difference of two, one value per line."""
    if args.diff is None:
        say(to_text(wanted(args)).rstrip("\n"))
        return
    before, now = (load_experiment(path).experiment.to_json() for path in args.diff)
    for path, old, new in differences(before, now):
        say(f"{path}: {json.dumps(old)} -> {json.dumps(new)}")


def work(args: argparse.Namespace) -> int:
    def trained() -> None:
        if rank() != 0:
            logging.getLogger("isegm").setLevel(logging.ERROR)
        train(args)

    return run(trained)


def check(args: argparse.Namespace) -> None:
    """Report errors in the command line once, not once per process."""
    load_config(args.config_path)
    wanted(args)
    for gpu in () if args.cpu else chosen_gpus(args):
        pick_device(gpu=gpu)


def main(args: argparse.Namespace) -> int | None:
    if (args.script is None) == (args.diff is None):
        raise IsegmError("give one experiment, or two after --diff")
    if args.show or args.diff:
        return show(args)
    count = len(chosen_gpus(args))
    if launched() or count < 2:
        return work(args)
    check(args)
    return launch(work, [args], count)
