"""The network that a training starts from."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from easydict import EasyDict

from isegm.core.errors import IsegmError, unknown
from isegm.methods.base import ClickModel
from isegm.methods.checkpoints import find_checkpoint
from isegm.nn.recompute import recompute_blocks
from isegm.nn.weights import HUB
from isegm.originals.loading import load_model
from isegm.training.experiment import Experiment, Training
from isegm.utils.config import absolute
from isegm.zoo.entries import for_key

log = logging.getLogger("isegm")


def model(experiment: Experiment, cfg: EasyDict, resumes: bool = False) -> ClickModel:
    """The initial network, on the CPU; the same on every process.

    Args:
        resumes: skip the experiment's initial weights, since those of a checkpoint will be loaded.
    """
    torch.manual_seed(experiment.train.seed)
    built: ClickModel = experiment.build(experiment.model)
    if not resumes:
        load(built, experiment.train, cfg)
    if experiment.train.adapt is not None:
        experiment.build(experiment.train.adapt).apply(built)
    if experiment.train.activation_checkpointing:
        recompute_blocks(built)
    return built


def load(model: ClickModel, config: Training, cfg: EasyDict) -> None:
    """Load the experiment's initial weights: of the whole network, or of its backbone, or none."""
    if config.weights:
        load_weights(model, find_checkpoint(cfg, config.weights))
    elif config.pretrained:
        model.load_pretrained(pretrained_source(config.pretrained, cfg))


def load_weights(model: ClickModel, path: Path) -> None:
    """Copy the weights of a checkpoint, which may lack some of the model's (as with RITM's
    ``--weights``) but must not have others.

    Raises:
        IsegmError: naming the weights that do not fit.
    """
    own, given = model.state_dict(), load_model(path).model.state_dict()
    foreign = [
        name for name, value in given.items() if name not in own or own[name].shape != value.shape
    ]
    if foreign:
        raise IsegmError(
            f"--weights {path}: {len(foreign)} of its {len(given)} weights do not fit this"
            " experiment's network, e.g."
            f" {', '.join(foreign[:5])}; choose an experiment script of the same network"
        )
    model.load_state_dict(own | given)
    log.info("%s: %d of %d weights loaded", path, len(given), len(own))


def pretrained_source(name: str, cfg: EasyDict) -> str:
    """The file of a name under PRETRAINED in config.yml, or the path itself; ``hub:NAME`` is
    returned unchanged.

    Raises:
        IsegmError: an unknown name, or no such file.
    """
    known = cfg.get("PRETRAINED", {})
    if str(known.get(name, name)).startswith(HUB):
        return known.get(name, name)
    if name not in known and not Path(name).suffix:
        raise unknown(
            f"name under PRETRAINED in {cfg.get('config_path', 'config.yml')}", name, known
        )
    path = absolute(cfg, known[name]) if name in known else Path(name).expanduser()
    if not path.exists():
        raise IsegmError(
            f"pretrained weights {name}: {path} does not exist; put the file there, change"
            f" PRETRAINED in {cfg.get('config_path', 'config.yml')}{_download(name)},"
            " or train from scratch with --set train.pretrained=null"
        )
    return str(path)


def _download(name: str) -> str:
    """How pretrained weights come here; empty if the zoo does not know them."""
    known = for_key(name)
    return f", {known.how}" if known else ""
