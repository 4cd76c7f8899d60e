"""Measure a published checkpoint and print its numbers beside those of its paper.

    isegm reproduce ritm_h18s_cocolvis
    isegm reproduce ritm_h18s_cocolvis --datasets GrabCut,Berkeley
    isegm reproduce ritm_h18s_cocolvis --check        what is here and what is missing
    isegm reproduce ritm_h18s_cocolvis --train --gpus 0,1
    isegm reproduce starter --cpu

It checks the paper's data sets, downloads the checkpoint, evaluates it under the published
protocol, and prints each published number beside the measured one, with a 95 % interval of the
measured mean, bootstrapped by image. With --train it trains the network first and evaluates that.
Given again, the same command continues where it stopped. Exit status: 0 if everything was measured;
1 if something is missing or wrong, and what could be measured was; 2 for a mistake in the command.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from easydict import EasyDict

from isegm.cli import flags
from isegm.cli.measuring import Job, incomplete, measure
from isegm.cli.reproducing import (
    Subject,
    fetched,
    foreseen,
    header,
    subject_of,
    train_it,
    trained_model,
)
from isegm.cli.running import say
from isegm.core.errors import IsegmError
from isegm.data.readiness import MISSING, OK, state_of
from isegm.evaluation.reproduction import Setting
from isegm.utils.config import absolute, load_config
from isegm.utils.files import sha256_of
from isegm.utils.processes import launched


def add_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", help="a checkpoint of the zoo (isegm download --list), or starter")
    add("--datasets", help="comma-separated (default: all that the published numbers are about)")
    train = "train it first, with its experiment script, and evaluate the result"
    add("--train", action="store_true", help=train)
    check = "only say what is here and what is missing; with --train, try the training out, too"
    add("--check", action="store_true", help=check)
    override = "for --train: as for isegm train; the result is then not the published recipe"
    add("--set", action="append", default=[], metavar="KEY=VALUE", help=override)
    add("--ngpus", type=int, help="for --train: as for isegm train")
    add("--fresh", action="store_true", help="evaluate again what is evaluated already")
    add("--out", type=Path, help="folder for results (default: EXPS_PATH/reproduce/NAME)")
    flags.add_device(parser, "number of the GPU to use; for --train several, e.g. 0,1")
    flags.add_config(parser)


def main(args: argparse.Namespace) -> int:
    """0 if everything was measured, 1 if something is missing."""
    if launched():
        raise IsegmError(
            "isegm reproduce runs in one process; to share the work, run the isegm evaluate"
            " commands that it prints under torchrun, and then isegm reproduce again: what is"
            " evaluated already counts"
        )
    for flag in ("set", "ngpus"):
        if getattr(args, flag) and not args.train:
            raise IsegmError(f"--{flag} is for a training; add --train, or leave it out")
    cfg, subject = load_config(args.config_path), subject_of(args.name)
    settings = wanted(args, subject)
    say("\n".join([*header(subject), "\ndata"]))
    states = {name: state_of(name, cfg) for name in dict.fromkeys(s.dataset for s in settings)}
    for state in states.values():
        say(f"  {state.status:9}{state.dataset:11}{state.text}")
    lacking = [f"{s.dataset} ({s.status})" for s in states.values() if s.status != OK]
    if downloads := dict.fromkeys(state.download for state in states.values() if state.download):
        say(f"  bring what is missing with: isegm download {' '.join(downloads)}")
    usable = [setting for setting in settings if states[setting.dataset].status == OK]
    if args.check:
        return checked(args, subject, cfg, lacking)
    if not usable:
        return incomplete(lacking)
    say("\ncheckpoint")
    if args.train and (status := train_it(args, subject)):
        return status
    try:
        path = trained_model(subject, cfg) if args.train else fetched(subject, cfg)
    except IsegmError as error:
        say(f"  {MISSING:9}{error}")
        return incomplete([*lacking, "checkpoint"])
    folder = args.out or absolute(cfg, cfg.EXPS_PATH) / "reproduce" / subject.name
    job = Job(args, subject, path, sha256_of(path), folder)
    say(f"  {OK:9}{path}, SHA-256 {job.sha256}")
    return measure(job, usable, states, lacking)


def wanted(args: argparse.Namespace, subject: Subject) -> list[Setting]:
    """How and on what to evaluate: as published, but for the data sets that were named."""
    published = list(dict.fromkeys(claim.setting for claim in subject.claims))
    if args.datasets is None:
        if not published:
            raise IsegmError(
                f"{subject.name}: assets/published.csv has no number of it; name data sets to"
                " measure it all the same, e.g. --datasets GrabCut,Berkeley"
            )
        return published
    names = [name.strip() for name in args.datasets.split(",") if name.strip()]
    if not names:
        raise IsegmError("--datasets is empty; name at least one, e.g. --datasets GrabCut")
    ways = dict.fromkeys((setting.protocol, setting.mode) for setting in published)
    for rows in () if ways else subject.entry.published:
        ways[subject.entry.protocol, rows.mode] = None
    return [Setting(name, *way) for name in dict.fromkeys(names) for way in ways]


def checked(
    args: argparse.Namespace, subject: Subject, cfg: EasyDict, lacking: Sequence[str]
) -> int:
    """What ``--check`` says of the checkpoint or the training."""
    lacking = list(lacking)
    if args.train:
        say("\ntraining")
        if train_it(args, subject):
            lacking.append("training")
    else:
        there, how = foreseen(subject, cfg)
        say(f"\ncheckpoint\n  {OK if there else MISSING:9}{how}")
        lacking += [] if there else ["checkpoint"]
    return incomplete(lacking)
