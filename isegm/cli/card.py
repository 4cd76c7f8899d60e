"""Print the card of a checkpoint: network, data, protocol, numbers with intervals, licence, hash.

    isegm card coco_lvis_h18s_itermask
    isegm card model.safetensors --results grabcut.json davis.json --speed speed.json
    isegm card model.safetensors --results grabcut.json --licence Apache-2.0 --write
    isegm card model.safetensors --page model.md --write

Result files are those of isegm evaluate --save-json for this very checkpoint; the speed file is
that of isegm speed --save-json. Intervals are bootstrapped by image. What is not given stays as it
is in the file's own card. Facts that neither the file nor the command gives are listed as unknown.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from isegm.cli import flags
from isegm.cli.running import say
from isegm.evaluation import card
from isegm.evaluation.card_facts import DATA, LICENCE
from isegm.evaluation.results import RunResult
from isegm.methods.checkpoints import find_checkpoint
from isegm.originals.loading import load_model
from isegm.utils.config import load_config
from isegm.utils.files import sha256_of

log = logging.getLogger("isegm")


def add_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("checkpoint", help="a file, or a name under WEIGHTS_PATH of config.yml")
    add("--results", type=Path, nargs="+", default=[], metavar="JSON", help="result files")
    add("--speed", type=Path, metavar="JSON", help="the file of isegm speed --save-json")
    add("--licence", "--license", dest="licence", help="of the weights, if the file does not say")
    add("--data", help="what the network was trained on, if the file does not say")
    page = "put the numbers into this Markdown page, between its two comments; a page that does not"
    add("--page", type=Path, help=f"{page} exist becomes the whole card")
    write = "put the card into the metadata of the file, a .safetensors, with the prose of --page"
    add("--write", action="store_true", help=write)
    flags.add_config(parser)


def main(args: argparse.Namespace) -> None:
    loaded = load_model(find_checkpoint(load_config(args.config_path), args.checkpoint))
    runs = [RunResult.load(path) for path in args.results]
    speed = card.read_speed(args.speed) if args.speed else None
    stated = {LICENCE: args.licence, DATA: args.data}
    stated = {label: value for label, value in stated.items() if value}
    prose = args.page if args.page and args.page.exists() else None
    made = card.assembled(loaded, card.numbers(loaded, runs, speed), stated, prose)
    text = card.text(loaded, made)
    if args.page:
        card.write_page(args.page, loaded, made)
    if args.write:
        card.write(loaded.path, made)
    say(text, end="")
    if args.write:
        sha256 = sha256_of(loaded.path)
        log.info("card written into %s, whose SHA-256 is now %s", loaded.path, sha256)
    if args.page:
        log.info("%s written into %s", "numbers" if prose else "card", args.page)
