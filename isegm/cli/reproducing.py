"""What ``isegm reproduce`` works on: a name, its published numbers, and its checkpoint."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from easydict import EasyDict

from isegm.cli import train
from isegm.core.errors import IsegmError, unknown
from isegm.evaluation.card import read_card
from isegm.evaluation.ledger import LEDGER, read_ledger
from isegm.evaluation.reproduction import Claim, card_claims, ledger_claims
from isegm.methods.checkpoints import STARTER, find_checkpoint
from isegm.training import run_folder
from isegm.training.experiment_file import load_experiment
from isegm.training.options import RunOptions
from isegm.utils.config import absolute, repository_file
from isegm.zoo.entries import Entry, entries, find
from isegm.zoo.fetching import fetch
from isegm.zoo.files import weights_folder

RUN = "reproduce"  # what its training runs are called
STARTERS_ENTRY = Entry(
    STARTER,
    "checkpoint",
    (),
    method="ClickPyramid, the network that comes with the package",
    experiment="models/starter/lite0.py",
    protocol="starter",
    trained_on="the data of its card: isegm card starter",
)


@dataclass(frozen=True)
class Subject:
    """A checkpoint and what is published about it."""

    entry: Entry
    claims: tuple[Claim, ...]

    @property
    def name(self) -> str:
        return self.entry.name


def subject_of(name: str) -> Subject:
    """The starter, whose numbers are those of its card under its own protocol, or a checkpoint of
    the zoo.

    Raises:
        IsegmError: there is no checkpoint of this name; the nearest names are listed.
    """
    if name == STARTER:
        card, own = read_card(find_checkpoint({}, STARTER)), STARTERS_ENTRY.protocol
        return Subject(STARTERS_ENTRY, card_claims(card, own))
    known, asked = entries("checkpoint"), find(name)
    if asked not in known:
        raise unknown("checkpoint to reproduce", name, [STARTER, *(each.name for each in known)])
    return Subject(asked, ledger_claims(asked, read_ledger(LEDGER)))


def header(subject: Subject) -> list[str]:
    """What is known of the subject before anything is measured."""
    entry = subject.entry
    arxiv = f" (arXiv {entry.arxiv})" if entry.arxiv else ""
    about = {
        "network": f"{entry.method or 'unknown'}; trained on {entry.trained_on or 'unknown data'}",
        "paper": f"{entry.paper}{arxiv}" if entry.paper else "",
        "licence": entry.licence,
    }
    return [subject.name, *(f"  {key:12}{value}" for key, value in about.items() if value)]


def fetched(subject: Subject, cfg: EasyDict) -> Path:
    """The published file, downloaded unless it is here.

    Raises:
        IsegmError: as ``isegm.zoo.fetching.fetch``.
    """
    if subject.name == STARTER:
        return find_checkpoint(cfg, STARTER)
    return fetch(subject.name, cfg)


def foreseen(subject: Subject, cfg: EasyDict) -> tuple[bool, str]:
    """Whether ``fetched`` can be expected to succeed, and how; nothing is downloaded.

    Raises:
        IsegmError: the file is here and is not the published one.
    """
    if subject.name == STARTER:
        return True, "it comes with the package"
    remote = subject.entry.file
    target = weights_folder(cfg) / remote.file
    if target.is_file():
        return True, str(fetch(subject.name, cfg))
    if subject.entry.by_hand:
        what = remote.called or remote.file
        return False, f"no address names it: get {what!r} at {subject.entry.page}, save as {target}"
    return True, f"to be downloaded to {target} ({remote.size_label or 'size unknown'})"


def train_it(args: argparse.Namespace, subject: Subject) -> int:
    """Train with the experiment of the entry, or continue; the exit status of ``isegm train``.

    Raises:
        IsegmError: the entry names no experiment, or its script is not here.
    """
    words = [str(script_of(subject)), "--exp-name", RUN, "--resume", "auto"]
    words += [word for change in args.set for word in ("--set", change)]
    words += ["--config-path", args.config_path] if args.config_path else []
    words += ["--cpu"] if args.cpu else []
    words += ["--ngpus", str(args.ngpus)] if args.ngpus else []
    words += ["--gpus", args.gpus] if args.gpus else []
    words += ["--check"] if args.check else []
    parser = argparse.ArgumentParser(prog="isegm train")
    train.add_flags(parser)
    return train.main(parser.parse_args(words)) or 0


def trained_model(subject: Subject, cfg: EasyDict) -> Path:
    """The weights that ``train_it`` wrote last.

    Raises:
        IsegmError: there are none.
    """
    folder = absolute(cfg, cfg.EXPS_PATH) / load_experiment(script_of(subject)).name
    last = run_folder.find_checkpoint(folder, RunOptions(exp_name=RUN, resume="auto"))
    model = last.parent.parent / "model.safetensors" if last else folder
    if not model.is_file():
        raise IsegmError(f"there is no trained model under {folder}; the training wrote none")
    return model


def script_of(subject: Subject) -> Path:
    """The experiment script that trains the network."""
    if not subject.entry.experiment:
        raise IsegmError(
            f"{subject.name} has no experiment script in this package; leave out --train"
        )
    script = repository_file(subject.entry.experiment)
    if not script.is_file():
        raise IsegmError(
            f"there is no {script}: experiment scripts are in a clone of the repository, not in an"
            " installed package; run isegm reproduce --train in a clone"
        )
    return script
