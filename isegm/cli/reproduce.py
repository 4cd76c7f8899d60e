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
from dataclasses import dataclass, replace
from pathlib import Path

from easydict import EasyDict

from isegm.cli import evaluate, flags
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
from isegm.data.readiness import MISSING, OK, State, state_of
from isegm.evaluation.report import notes
from isegm.evaluation.reproduction import Setting, compared, table
from isegm.evaluation.results import RunResult
from isegm.inference.modes import PLAIN
from isegm.inference.protocol import load_protocol
from isegm.utils.config import absolute, load_config
from isegm.utils.files import replacing, sha256_of
from isegm.utils.processes import joined, launched


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
    add("--fresh", action="store_true", help="evaluate anew what is evaluated already")
    add("--out", type=Path, help="folder for results (default: EXPS_PATH/reproduce/NAME)")
    flags.add_device(parser, "number of the GPU to use; for --train several, e.g. 0,1")
    flags.add_config(parser)


def main(args: argparse.Namespace) -> int:
    """0 if everything was measured, 1 if something is missing."""
    if launched():
        raise IsegmError(
            "isegm reproduce runs in one process; to share the work, run the isegm evaluate"
            " commands that it prints under torchrun, and then isegm reproduce again: it uses what is"
            " evaluated already"
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
    if args.check:
        return checked(args, subject, cfg, lacking)
    say("\ncheckpoint")
    if args.train and (status := train_it(args, subject)):
        return status
    try:
        path = trained_model(subject, cfg) if args.train else fetched(subject, cfg)
    except IsegmError as error:
        say(f"  {MISSING:9}{error}")
        return incomplete([*lacking, "checkpoint"])
    job = Job(args, subject, path, sha256_of(path), output_folder(args, cfg))
    say(f"  {OK:9}{path}, SHA-256 {job.sha256}")
    usable = [setting for setting in settings if states[setting.dataset].status == OK]
    return measure(job, usable, states, lacking)


def wanted(args: argparse.Namespace, subject: Subject) -> list[Setting]:
    """How and on what to evaluate: as published, but for the data sets that were named."""
    published = list(dict.fromkeys(claim.setting for claim in subject.claims))
    if not args.datasets:
        if not published:
            raise IsegmError(
                f"{subject.name}: assets/published.csv has no number of it; name data sets to"
                " measure it all the same, e.g. --datasets GrabCut,Berkeley"
            )
        return published
    names = [name.strip() for name in args.datasets.split(",") if name.strip()]
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


def incomplete(lacking: Sequence[str]) -> int:
    """The exit status, and what is in the way of 0."""
    if lacking:
        say(f"\nIncomplete: {', '.join(lacking)}.")
    return 1 if lacking else 0


@dataclass(frozen=True)
class Job:
    """A checkpoint to evaluate.

    Attributes:
        folder: for results; those of other checkpoints, e.g. of a longer training, stay apart.
    """

    args: argparse.Namespace
    subject: Subject
    path: Path
    sha256: str
    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / self.sha256[:12]

    def run(self, setting: Setting, state: State) -> RunResult:
        """The evaluation of one data set: finished earlier, continued, or made now."""
        label = load_protocol(setting.protocol).label
        name = f"{label.replace(' ', '_')}_{setting.mode}_{setting.dataset}.json"
        output = self.results / name
        if not self.args.fresh and (done := self._finished(output, setting, state)):
            say(f"{setting.dataset}, {setting.mode}: evaluated already, {output}")
            return done
        words = [setting.mode, "--checkpoint", str(self.path), "--protocol", setting.protocol]
        words += ["--datasets", setting.dataset, "--save-json", str(output)]
        words += ["--model-name", self.title(setting)]
        words += ["--config-path", self.args.config_path] if self.args.config_path else []
        words += ["--cpu"] if self.args.cpu else []
        words += ["--gpus", self.args.gpus] if self.args.gpus else []
        say(f"$ isegm evaluate {' '.join(words)}")
        parser = argparse.ArgumentParser(prog="isegm evaluate")
        evaluate.add_flags(parser)
        parsed = parser.parse_args([*words, *(["--fresh"] if self.args.fresh else [])])
        with joined(evaluate.chosen_device(parsed), backend="gloo") as process:
            return evaluate.evaluated(parsed, process)[0]

    def title(self, setting: Setting) -> str:
        """E.g. ``fbrs_r34_sbd_f-BRS-B``."""
        mode = "" if setting.mode in PLAIN else f"_{setting.mode}"
        return f"{self.subject.name}{mode}{'_trained_here' if self.args.train else ''}"

    def _finished(self, output: Path, setting: Setting, state: State) -> RunResult | None:
        if not output.is_file():
            return None
        run = RunResult.load(output)
        (result,) = run.datasets
        same = run.checkpoint["sha256"] == self.sha256 and result.fingerprint == state.fingerprint
        same &= run.protocol_label == load_protocol(setting.protocol).label
        whole = len(result.objects) + len(result.skipped) == state.objects
        return run if same and whole else None


def measure(
    job: Job, settings: Sequence[Setting], states: dict[str, State], lacking: Sequence[str]
) -> int:
    """Evaluate, compare, print and keep the report; the exit status."""
    runs, lacking = {}, list(lacking)
    say("\nevaluation")
    for setting in settings:
        try:
            runs[setting] = job.run(setting, states[setting.dataset])
        except IsegmError as error:
            say(f"  failed   {setting.dataset}, {setting.mode}: {error}")
            lacking.append(f"{setting.dataset} (failed)")
    results = {setting: run.datasets[0] for setting, run in runs.items()}
    lacking += [f"{r.name} ({len(r.skipped)} skipped)" for r in results.values() if r.skipped]
    named = set(states)
    claims = [claim for claim in job.subject.claims if claim.setting.dataset in named]
    labels = {claim.setting.protocol: "" for claim in claims}
    labels = {name: load_protocol(name).label for name in labels}
    text = [f"# {job.subject.name}", ""]
    text += table(compared(claims, results), labels) if claims else []
    text += ["", *notes(_merged(runs))] if runs else []
    changes = f" ({', '.join(job.args.set)})" if job.args.set else ""
    text += [f"Trained here{changes}; published numbers are of another training."] * job.args.train
    say("\n" + "\n".join(text))
    report = job.results / "report.md"
    with replacing(report) as partial:
        partial.write_text("\n".join(text) + "\n")
    say(f"\nreport: {report}")
    return incomplete(lacking)


def _merged(runs: dict[Setting, RunResult]) -> list[RunResult]:
    """One run per protocol and mode, with all its data sets."""
    merged: dict[tuple[str, str], RunResult] = {}
    for setting, run in runs.items():
        way = (setting.protocol, setting.mode)
        before = merged[way].datasets if way in merged else ()
        merged[way] = replace(run, datasets=(*before, *run.datasets))
    return list(merged.values())


def output_folder(args: argparse.Namespace, cfg: EasyDict) -> Path:
    return args.out or absolute(cfg, cfg.EXPS_PATH) / "reproduce" / args.name
