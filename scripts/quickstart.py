"""From clicks on photographs to a model of your own, in minutes on a CPU.

    python scripts/quickstart.py --out experiments/quickstart

First the starter, the network that comes with the package, answers clicks on photographs. Then a
small RITM is trained on synthetic scenes and evaluated before and after, with a curve. Every step
is a documented command, printed before it runs. Nothing is downloaded.
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

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this clone's package first

from isegm.cli.running import Formatter, run
from isegm.core.errors import IsegmError
from isegm.data.evaluation_sets import evaluation_set
from isegm.evaluation.results import RunResult
from isegm.methods.checkpoints import save_model
from isegm.training.experiment_file import load_experiment
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


def answer_photographs(out: Path) -> Path:
    """Let the starter answer the simulated user on photographs; the picture it draws."""
    picture = out / "photos.png"
    command("scripts/picture_strip.py", "--checkpoint", "starter", "--cpu", "--out", picture)
    return picture


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
            *("scripts/try_clicks.py", "--checkpoint", model, "--image", image),
            *("--clicks", clicks, "--cpu", "--dataset", recorded.name),
            *("--save-overlay", out / "overlays" / f"{record.id}_overlay.png"),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=Formatter)
    parser.add_argument("--out", default="experiments/quickstart", type=Path)
    passed = {"action": "append", "default": [], "metavar": "KEY=VALUE"}
    parser.add_argument("--set", **passed, help="passed on to train.py")
    args = parser.parse_args()
    out, started = args.out.resolve(), time.time()
    out.mkdir(parents=True, exist_ok=True)

    photographs = answer_photographs(out)
    print(f"\nLook at {photographs}. Next, a network is trained; this takes some minutes.")
    save_untrained(out / "untrained.safetensors")
    changes = [word for value in args.set for word in ("--set", value)]
    # Two processes of one thread each are faster than one of two: small layers are not worth
    # sharing.
    where = ("--cpu", "--ngpus", min(2, os.cpu_count() or 1))
    command("train.py", EXPERIMENT, *where, "--exp-name", "quickstart", *changes)
    cfg = load_config()
    runs = absolute(cfg, cfg.EXPS_PATH) / "ritm" / Path(EXPERIMENT).stem
    shutil.copyfile(newest_model(runs, started), out / "model.safetensors")

    results = {name: out / f"{name}.json" for name in ("untrained", "trained")}
    checkpoints = {"untrained": "untrained.safetensors", "trained": "model.safetensors"}
    for name, result in results.items():
        command(
            *("scripts/evaluate_model.py", "NoBRS", "--checkpoint", out / checkpoints[name]),
            *("--datasets", "synthetic", "--limit", OBJECTS, "--cpu", "--model-name", name),
            *("--save-json", result, "--logs-path", out / "logs"),
        )
    draw_overlays(results["trained"], out / "model.safetensors", out)
    command("scripts/compare_results.py", *results.values(), "--plot", out / "curve.png")

    loaded = (RunResult.load(result).datasets[0] for result in results.values())
    before, after = (dataset.metrics["NoC@85"] for dataset in loaded)
    spent = time.time() - started
    print(f"\nNoC@85 on held-out synthetic objects: {before:.2f} untrained, {after:.2f} trained.")
    print(f"{spent:.0f} s in all.")
    print(f"Look at {photographs}, {out / 'curve.png'} and {out / 'overlays'}.")
    if after > before / 2:
        log.warning("Still more than half the clicks of before; see docs/how-to/reproduce.md.")


if __name__ == "__main__":
    raise SystemExit(run(main))
