"""The whole road in minutes on a CPU: train a small RITM on the embedded data, evaluate it before and after, draw the curve.

    python scripts/quickstart.py --out experiments/quickstart

Every step is a documented command; it is printed before it runs. Needs no file and no network.
"""

from __future__ import annotations

import argparse
import logging
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import torch

from isegm.core.errors import IsegmError
from isegm.data.evaluation_sets import evaluation_set
from isegm.evaluation.results import RunResult
from isegm.methods.checkpoints import save_model
from isegm.training.experiment_file import load_experiment
from isegm.utils.cli import formatter, run
from isegm.utils.config import REPOSITORY, absolute, load_config
from isegm.utils.vis import write_image

log = logging.getLogger("isegm")
EXPERIMENT = "models/ritm/tiny_synthetic.py"
OBJECTS = 30  # evaluated: enough to tell the two apart, few enough for a CPU
SHOWN = 3


def command(*words: str | Path | int) -> None:
    """Run one of the project's own commands with this Python, printed as a user would type it."""
    words = tuple(str(w) for w in words)
    print(f"\n$ python {shlex.join(words)}", flush=True)
    status = subprocess.run([sys.executable, *words], cwd=REPOSITORY, check=False).returncode
    if status:
        raise IsegmError(f"the command above ended with status {status}; what it printed says why")


def save_untrained(path: Path) -> None:
    """The network of the experiment with its initial weights, as training would start it."""
    experiment = load_experiment(REPOSITORY / EXPERIMENT).experiment
    torch.manual_seed(0)
    save_model(path, experiment.build(experiment.model), experiment.model)


def newest_model(folder: Path, since: float) -> Path:
    found = [p for p in folder.glob("*/model.safetensors") if p.stat().st_mtime >= since]
    if not found:
        raise IsegmError(f"training wrote no model.safetensors under {folder}")
    return max(found, key=lambda p: p.stat().st_mtime)


def draw_overlays(result: Path, model: Path, out: Path) -> None:
    """Answer the recorded clicks of the first few objects again and draw them."""
    recorded = RunResult.load(result).datasets[0]
    samples = evaluation_set(recorded.name, load_config())
    for i, record in enumerate(recorded.objects[:SHOWN]):
        image = out / "overlays" / f"{record.id}_image.png"
        write_image(image, samples[i].image)
        clicks = " ".join(f"{y},{x},{label}" for y, x, label in record.clicks[:5])
        command(
            *("scripts/try_clicks.py", "--checkpoint", model, "--image", image, "--clicks", clicks, "--cpu"),
            *("--dataset", recorded.name, "--save-overlay", out / "overlays" / f"{record.id}_overlay.png"),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=formatter)
    parser.add_argument("--out", default="experiments/quickstart", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="passed on to train.py")
    args = parser.parse_args()
    out, started = args.out.resolve(), time.time()
    out.mkdir(parents=True, exist_ok=True)

    save_untrained(out / "untrained.safetensors")
    changes = [word for value in args.set for word in ("--set", value)]
    # Two processes of one thread each are faster than one of two: small layers are not worth sharing.
    processes = min(2, os.cpu_count() or 1)
    command("train.py", EXPERIMENT, "--cpu", "--ngpus", processes, "--exp-name", "quickstart", *changes)
    cfg = load_config()
    runs = absolute(cfg, cfg.EXPS_PATH) / "ritm" / Path(EXPERIMENT).stem
    shutil.copyfile(newest_model(runs, started), out / "model.safetensors")

    for name, checkpoint in (("untrained", "untrained.safetensors"), ("trained", "model.safetensors")):
        command(
            *("scripts/evaluate_model.py", "NoBRS", "--checkpoint", out / checkpoint, "--datasets", "synthetic", "--cpu"),
            *("--limit", OBJECTS, "--model-name", name, "--save-json", out / f"{name}.json", "--logs-path", out / "logs"),
        )
    draw_overlays(out / "trained.json", out / "model.safetensors", out)
    command("scripts/compare_results.py", out / "untrained.json", out / "trained.json", "--plot", out / "curve.png")

    before, after = (RunResult.load(out / f"{n}.json").datasets[0].metrics["NoC@85"] for n in ("untrained", "trained"))
    spent = time.time() - started
    print(f"\nNoC@85 on held-out synthetic objects: {before:.2f} untrained, {after:.2f} trained; {spent:.0f} s in all.")
    print(f"Look at {out / 'curve.png'} and {out / 'overlays'}.")
    if after > before / 2:
        log.warning("Still more than half the clicks of the untrained network; docs/reproduce.md says what to expect.")


if __name__ == "__main__":
    raise SystemExit(run(main))
