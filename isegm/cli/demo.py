"""Click on objects in a web page on this machine: the interactive demo.

    isegm demo                                  # then open http://127.0.0.1:8080
    isegm demo --images photos                  # offers a folder's images as well
    isegm demo --checkpoint model.safetensors   # another network than the starter
    isegm demo --static site                    # writes a page that needs no server

Without --checkpoint the starter answers, the network that comes with the package. The server
listens on this machine only. On a remote one, forward the port: ssh -L 8080:127.0.0.1:8080 HOST.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from easydict import EasyDict

from isegm.cli import flags
from isegm.demo import serving
from isegm.demo.pictures import FolderPictures, PaintedPictures
from isegm.inference.chosen import choose
from isegm.inference.protocol import load_protocol
from isegm.methods.checkpoints import STARTER, find_checkpoint
from isegm.originals.loading import load_model
from isegm.utils.config import load_config
from isegm.utils.device import pick_device
from isegm.utils.extras import needed
from isegm.zoo.files import weights_folder

if TYPE_CHECKING:
    from isegm.demo.app import Served

log = logging.getLogger("isegm")
APP = needed("isegm.demo.app", "demo", "the demo")


def add_flags(parser: argparse.ArgumentParser) -> None:
    flags.add_checkpoint(parser, default=STARTER)
    flags.add_protocol(parser)
    flags.add_dataset(parser)
    parser.add_argument(
        "--images", type=Path, help="a folder whose pictures are offered (default: painted scenes)"
    )
    serving.add_flags(parser, 8080)
    parser.add_argument(
        "--static",
        type=Path,
        metavar="FOLDER",
        help="serve nothing: write a page that runs the network in the browser into this folder",
    )
    flags.add_device(parser)
    flags.add_config(parser)


def served(args: argparse.Namespace, cfg: EasyDict) -> Served:
    pictures = FolderPictures(args.images) if args.images else PaintedPictures()
    device = pick_device(args.cpu, args.gpus)
    chosen = choose(cfg, args.checkpoint, device, args.protocol, args.dataset)
    return APP.Served(chosen.answering, chosen.checkpoint, chosen.protocol, chosen.device, pictures)


def write_page(args: argparse.Namespace) -> None:
    """``--static``: the page that needs no server."""
    from isegm.demo.browser_page import build  # needs the extra onnx

    cfg = load_config(args.config_path)
    loaded = load_model(find_checkpoint(cfg, args.checkpoint))
    protocol = load_protocol(args.protocol or loaded.model.protocol)
    protocol = protocol.for_dataset(args.dataset) if args.dataset else protocol
    build(args.static, loaded, protocol, weights_folder(cfg), args.images)
    log.info("try it: python -m http.server --directory %s --bind 127.0.0.1 8000", args.static)


def main(args: argparse.Namespace) -> None:
    if args.static:
        write_page(args)
        return
    limits = serving.limits_of(args)
    serving.check_address(args.host, args.port)
    model = served(args, load_config(args.config_path))
    app = APP.create_app(model, limits, serving.hosts_of(args))
    serving.listen(app, args.host, args.port)
