"""Send a model with its card to a Hugging Face hub.

    isegm push model.safetensors hf:owner/repository --license apache-2.0
    isegm push experiments/mine/000/checkpoints/best.safetensors hf:owner/repository --private

The model is then named hf:owner/repository/model.safetensors, wherever a checkpoint is named. The
repository is made if there is none. The card, README.md there, says what the checkpoint says of
itself: its network, hash and numbers; with --card FILE it is a file of yours. HF_TOKEN or hf auth
login say who you are; HF_ENDPOINT names another hub than huggingface.co.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from isegm.cli import flags
from isegm.cli.running import say
from isegm.core.errors import IsegmError
from isegm.evaluation.hub_card import hub_card
from isegm.methods.checkpoints import find_checkpoint
from isegm.utils.config import load_config
from isegm.zoo.hub import HF, push


def add_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("checkpoint", metavar="FILE", help="a .safetensors of this package, or a name of one")
    add("to", metavar="hf:owner/repository", help="where to; made if it is not there")
    add("--private", action="store_true", help="a new repository is for you alone")
    licence = "what others may do with the model, as the hub names it, e.g. mit (default: other)"
    add("--license", metavar="ID", default=None, help=licence)
    add("--card", type=Path, metavar="FILE", help="a Markdown file to send as the card")
    flags.add_config(parser)


def main(args: argparse.Namespace) -> None:
    repository = _repository(args.to)
    path = find_checkpoint(load_config(args.config_path), args.checkpoint)
    if path.suffix != ".safetensors":
        raise IsegmError(
            f"{path}: expected a .safetensors, which holds no code; run: isegm convert {path}"
            f" {path.stem}.safetensors"
        )
    if args.card and not args.card.is_file():
        raise IsegmError(f"--card {args.card}: there is no such file")
    prose = args.card.read_text(encoding="utf-8") if args.card else None
    card = hub_card(path, args.to, args.license or "other", prose)
    address = push(repository, {path.name: path, "README.md": card.encode()}, args.private)
    say(f"sent    {path.name} and its card, README.md, to {address}")
    say(f"use     isegm try --checkpoint {HF}{repository}/{path.name} ...")


def _repository(name: str) -> str:
    owner, slash, repository = name.removeprefix(HF).partition("/")
    if not (name.startswith(HF) and owner and slash and repository) or "/" in repository:
        raise IsegmError(f"{name!r} is no repository of a hub; expected hf:owner/repository")
    return f"{owner}/{repository}"
