"""The evaluations of ``isegm reproduce``, and its report."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from isegm.cli import evaluate
from isegm.cli.reproducing import Subject
from isegm.cli.running import say
from isegm.core.errors import IsegmError
from isegm.data.readiness import State
from isegm.evaluation.report import notes
from isegm.evaluation.report import table as report_table
from isegm.evaluation.reproduction import Setting, compared, table
from isegm.evaluation.results import RunResult
from isegm.inference.modes import PLAIN
from isegm.inference.protocol import load_protocol
from isegm.utils.files import replacing
from isegm.utils.processes import joined


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
        say(f"$ isegm evaluate {shlex.join(words)}")
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
        same = (
            run.checkpoint.get("sha256") == self.sha256 and result.fingerprint == state.fingerprint
        )
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
    results = [run.datasets[0] for run in runs.values()]
    lacking += [f"{each.name} ({len(each.skipped)} skipped)" for each in results if each.skipped]
    text = report(job, runs, states)
    say("\n" + "\n".join(text))
    path = job.results / "report.md"
    with replacing(path) as partial:
        partial.write_text("\n".join(text) + "\n")
    say(f"\nreport: {path}")
    return incomplete(lacking)


def report(job: Job, runs: dict[Setting, RunResult], states: Container[str]) -> list[str]:
    """What was measured beside what is published, in lines.

    Args:
        states: the data sets that were asked for.
    """
    claims = [claim for claim in job.subject.claims if claim.setting.dataset in states]
    labels = {name: load_protocol(name).label for name in {c.setting.protocol for c in claims}}
    results = {setting: run.datasets[0] for setting, run in runs.items()}
    text = [f"# {job.subject.name}", ""]
    text += table(compared(claims, results), labels) if claims else []
    settings = {claim.setting for claim in claims}
    known = [run for setting, run in runs.items() if setting in settings]
    others = [run for setting, run in runs.items() if setting not in settings]
    text += ["", *notes(_merged(known))] if known else []
    if others:
        text += ["", "Not published:", "", report_table(_merged(others))]
    if job.args.train:
        changes = f", with {', '.join(job.args.set)}" if job.args.set else ""
        text += ["", f"The network was trained here{changes}; the published one was not."]
    return text


def _merged(runs: Sequence[RunResult]) -> list[RunResult]:
    """One run for each protocol and mode, with all its data sets."""
    merged: dict[tuple[str, str], RunResult] = {}
    for run in runs:
        way = (run.protocol_label, run.checkpoint.get("mode", ""))
        before = merged[way].datasets if way in merged else ()
        merged[way] = replace(run, datasets=(*before, *run.datasets))
    return list(merged.values())


def incomplete(lacking: Sequence[str]) -> int:
    """The exit status, and what is in the way of 0."""
    if lacking:
        say(f"\nIncomplete: {', '.join(lacking)}.")
    return 1 if lacking else 0
