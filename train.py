"""Train an experiment.

python train.py models/ritm/hrnet18s_cocolvis.py --gpus 0,1          one process per GPU
python train.py models/ritm/tiny_synthetic.py --cpu                  no GPU needed
torchrun --nproc-per-node 4 train.py models/ritm/hrnet32_cocolvis.py joins the processes that torchrun started
python train.py models/ritm/hrnet18s_cocolvis.py --check             does it fit, and how long will it take
python train.py models/ritm/hrnet18s_cocolvis.py --resume auto       continues the newest run where it stopped
python train.py models/ritm/hrnet18s_cocolvis.py --show              the experiment as JSON, after all overrides
python train.py --diff models/ritm/hrnet18_cocolvis.py experiments/ritm/hrnet18_cocolvis/000/experiment.json
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path

from isegm.evaluation.validation import noc_validation
from isegm.training.distributed import launch, launched
from isegm.training.experiment_file import Loaded, load_experiment, to_text
from isegm.training.flags import add_flags, given_flags
from isegm.training.options import RunOptions
from isegm.training.trainer import Trainer
from isegm.utils import cli
from isegm.utils.config import load_config
from isegm.utils.device import pick_device
from isegm.utils.overrides import differences, parse_overrides


def parse_arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("script", type=Path, nargs="?", help="an experiment, e.g. models/ritm/hrnet18s_cocolvis.py, or a run's experiment.json")
    add("--exp-name", default="", help="added to the number of the run folder")
    add("--resume", help="auto, a run folder, a checkpoint, or how the name of a run folder begins; continues exactly")
    add("--resume-exp", dest="resume", help="the same as --resume, RITM's name of it")
    add("--resume-prefix", default="last_checkpoint", help="how the name of the checkpoint in that run folder begins")
    add("--ngpus", type=int, default=0, help="use this many devices (with --cpu: processes)")
    add("--gpus", type=gpu_numbers, default=(), help="use these GPUs, e.g. 0,1")
    add("--cpu", action="store_true", help="use no GPU")
    add("--check", action="store_true", help="train nothing: try data and batch size out, say how long it will take")
    add("--validate", default="", metavar="SETS", help="evaluation sets for NoC after every train.validate_every epochs")
    add("--validate-objects", type=int, help="only the first so many objects of each")
    add_flags(parser)
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="e.g. train.clip=1; repeatable, see docs/train.md")
    add("--show", action="store_true", help="print the experiment after all overrides, as JSON; train nothing")
    add("--diff", nargs=2, type=Path, metavar="EXPERIMENT", help="print how two experiments differ; train nothing")
    add("--config-path", help="another config.yml")
    add("--local_rank", "--local-rank", type=int, help=argparse.SUPPRESS)  # old launchers pass it; the environment says it too
    args = parser.parse_args(argv)
    if args.ngpus and args.gpus and args.ngpus != len(args.gpus):
        parser.error(f"--ngpus {args.ngpus} and --gpus with {len(args.gpus)} numbers disagree")
    if (args.script is None) == (args.diff is None):
        parser.error("give one experiment, or two after --diff")
    args.gpus = args.gpus or tuple(range(args.ngpus))
    return args


def gpu_numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(dict.fromkeys(int(number) for number in text.split(",")))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected numbers like 0,1") from None


def wanted(args: argparse.Namespace) -> Loaded:
    """The experiment after all overrides; ``--set`` wins over flags."""
    loaded = load_experiment(args.script)
    changes = given_flags(args, loaded.experiment, args.script) | parse_overrides(args.set)
    return replace(loaded, experiment=loaded.experiment.changed(changes).completed())


def train(args: argparse.Namespace) -> None:
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
        gpus=() if args.cpu else args.gpus,
        validate=noc_validation(cfg, names, args.validate_objects) if names else None,
        check=args.check,
    )
    Trainer(loaded.experiment, cfg, options).fit()


def show(args: argparse.Namespace) -> None:
    """Print an experiment, or the difference of two, one value per line."""
    if args.diff is None:
        print(to_text(wanted(args)), end="")
        return
    before, now = (load_experiment(path).experiment.to_json() for path in args.diff)
    for path, old, new in differences(before, now):
        print(f"{path}: {json.dumps(old)} -> {json.dumps(new)}")


def work(args: argparse.Namespace) -> int:
    def trained() -> None:
        if os.environ.get("RANK", "0") != "0":
            logging.getLogger("isegm").setLevel(logging.ERROR)
        train(args)

    return cli.run(trained)


def check(args: argparse.Namespace) -> None:
    """Notice what is wrong with the command line once, not once per process."""
    load_config(args.config_path)
    wanted(args)
    for gpu in () if args.cpu else args.gpus:
        pick_device(gpu=gpu)


def main(argv: list[str]) -> int:
    args = parse_arguments(argv)
    if args.show or args.diff:
        return cli.run(lambda: show(args))
    if launched() or len(args.gpus) < 2:
        return work(args)
    return cli.run(lambda: check(args)) or launch(work, [args], len(args.gpus))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
