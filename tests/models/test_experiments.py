"""Every experiment script runs: its network is built, and one step is trained on miniature data
with a smaller network.
"""

import ast
import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from easydict import EasyDict
from fine_layouts import hqseg44k, hqseg44k_training
from layouts import (
    ade20k,
    coco,
    coco_panoptic,
    comb,
    config,
    lvis,
    open_images,
    pascal_voc,
    picture,
    rectangle,
    sbd,
    starter,
    write,
)
from published import cropped

from isegm.core.registry import Spec, leaves
from isegm.methods.base import ClickModel
from isegm.training.experiment import Experiment
from isegm.training.experiment_file import load_experiment
from isegm.training.options import RunOptions
from isegm.training.trainer import Trainer
from isegm.utils.config import REPOSITORY, load_config

SHARED = ("common.py", "shared.py")  # what scripts import
SCRIPTS = sorted(path for path in (REPOSITORY / "models").rglob("*.py") if path.name not in SHARED)
NAMES = [str(path.relative_to(REPOSITORY / "models")) for path in SCRIPTS]


SMALL_TRANSFORMER = {
    "backbone.variant": "tiny",
    "head.in_channels": [16, 32, 80, 128],
    "head.width": 16,
}
TINY_HRNET = {
    "backbone.width": 8,
    "backbone.depth": "tiny",
    "head.in_channels": 120,
    "head.width": 16,
}
SMALL_RESNET = {
    "backbone.layers": 34,
    "head.in_channels": 512,
    "head.skip_channels": 64,
    "head.width": 16,
}
SMALL_VIT = {
    "backbone.channels": 16,
    "backbone.depth": 4,
    "backbone.heads": 2,
    "backbone.patch": 16,
    "backbone.size": 64,
}
SMALL_VIT |= {"neck.in_channels": 16, "neck.out_channels": [8] * 4, "head.in_channels": [8] * 4}
SMALL_MULTIGRID = {
    "backbone.depths": [1, 1, 1, 1],
    "backbone.width": 8,
    "head.in_channels": 256,
    "head.skip_channels": 32,
}


def smaller(described: Spec) -> dict[str, object]:
    """Overrides that make the network of a spec as small as its parts can be."""
    known = dict(leaves(described))
    changes = dict(
        next((c for c in (TINY_HRNET, SMALL_RESNET, SMALL_TRANSFORMER) if set(c) <= set(known)), {})
    )
    if "backbone.patch" in known:
        changes = dict(SMALL_VIT)
    if "feedback.channels" in known:
        changes |= {
            "feedback.channels": changes[
                "head.in_channels" if "backbone.depth" in known else "head.width"
            ]
        }
    if "feature_diffusion.channels" in known:
        changes |= {"feature_diffusion.channels": changes["head.width"], "backbone.width": 64}
    if "refiner.in_channels" in known and "head.width" in changes:
        changes["refiner.in_channels"] = (2 if "backbone.depth" in known else 1) * changes[
            "head.width"
        ]
    if "backbone.depths" in known:
        changes = SMALL_MULTIGRID | {"head.width": 16}
        if "first_click.width" in known:
            changes |= {
                "first_click.in_channels": 32,
                "first_click.width": 16,
                "head.in_channels": 288,
            }
    return changes


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> EasyDict:
    """A config.yml of miniature data sets in their layouts, and settings that make a script take
    one small step.
    """
    root = tmp_path_factory.mktemp("data")
    for split in ("train", "val"):
        sbd(root / "SBD", split)
        coco_panoptic(coco(root / "COCO", f"{split}2017"), f"{split}2017")
        lvis(root / "LVIS_v1", split)
        open_images(root / "OpenImages", split)
        pascal_voc(root / "VOC2012", split, prefix={"train": "2007", "val": "2009"}[split])
    paths = {
        "SBD_PATH": root / "SBD",
        "COCO_PATH": root / "COCO",
        "PASCALVOC_PATH": root / "VOC2012",
    }
    paths |= {"LVIS_v1_PATH": root / "LVIS_v1", "OPENIMAGES_PATH": root / "OpenImages"}
    for i in range(2):
        write(root / f"folder/images/{i}.png", picture(seed=i))
        write(root / f"folder/masks/{i}.png", rectangle(4, 6, 20, 26, value=255))
    paths["HQSEG44K_PATH"] = hqseg44k_training(hqseg44k(root / "HQSeg44K"))
    sets = starter(root) | comb(root) | paths
    cfg = config(EXPS_PATH=root / "experiments", FOLDER=root / "folder", **sets)
    ade20k(Path(cfg.ADE20K_PATH), "validation")
    return cfg


@pytest.mark.parametrize("path", SCRIPTS, ids=NAMES)
def test_network(path: Path) -> None:
    experiment = load_experiment(path).experiment
    with torch.device("meta"):  # shapes without memory
        model = experiment.build(experiment.model)
    assert isinstance(model, ClickModel)
    assert sum(p.numel() for p in model.parameters()) > 1000


@pytest.mark.parametrize("path", SCRIPTS, ids=NAMES)
def test_notebook(path: Path) -> None:
    """The docstring says what it is, how it is run, what it costs and what came out; pretrained
    weights have a place.
    """
    notes = ast.get_docstring(ast.parse(path.read_text()))
    for entry in ("Paper:", "Run:", "Cost:", "Result:", f"train.py {path.relative_to(REPOSITORY)}"):
        assert entry in notes
    pretrained = load_experiment(path).experiment.train.pretrained
    assert pretrained is None or pretrained in load_config(REPOSITORY / "config.yml").PRETRAINED
    assert len(path.read_text().splitlines()) <= 64


def one_small_step(experiment: Experiment) -> dict[str, Any]:
    """Overrides that make an experiment take one step with a small network on small crops."""
    # A Mix Transformer sees nothing smaller than 32 pixels, after halving.
    crop = [64, 64] if "backbone.variant" in dict(leaves(experiment.model)) else [32, 48]
    changes: dict[str, Any] = {
        f"model.{key}": value for key, value in smaller(experiment.model).items()
    }
    changes |= cropped(experiment, crop)
    for section in ("data", "val"):
        part = getattr(experiment, section)
        if part is None:
            continue
        changes |= {f"{section}.epoch_len": 2, f"{section}.min_object_area": 4}
        changes |= {
            f"{section}.{key}": 4
            for key, _ in leaves(part)
            if key in ("sampler.min_area", "sampler.min_region")
        }
    if experiment.data["args"].get("scores") is not None:
        changes["data.scores"] = None
    steps = {"batch_size": 2, "max_steps": 1, "epochs": 1, "workers": 0, "pretrained": None}
    steps |= {"validate_every": None, "amp": "off"}
    return changes | {f"train.{key}": value for key, value in steps.items()}


@pytest.mark.parametrize("path", SCRIPTS, ids=NAMES)
def test_one_step(path: Path, data: EasyDict) -> None:
    loaded, cfg = load_experiment(path), copy.deepcopy(data)
    changes = one_small_step(loaded.experiment)
    if "image_dir" in dict(leaves(loaded.experiment.data["args"]["source"])):
        changes |= {
            f"data.source.{kind}_dir": f"{cfg.FOLDER}/{kind}s" for kind in ("image", "mask")
        }
    experiment = loaded.experiment.changed(changes)
    folder = Trainer(
        experiment, cfg, RunOptions(name=loaded.name, files=loaded.files, cpu=True)
    ).fit()
    assert (folder / "model.safetensors").exists()
    assert load_experiment(folder / "experiment.json").experiment == experiment.completed()
