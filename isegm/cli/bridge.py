"""Connect a model to the tools people label with: CVAT, Label Studio, X-AnyLabeling and others.

    isegm bridge --help                                        # the tools
    isegm bridge x-anylabeling --checkpoint model.safetensors  # starts a server
    isegm bridge cvat-nuclio --out function                    # writes files

Without --checkpoint the starter answers, the network that comes with the package. There is a page
for each tool: docs/how-to/bridges.
"""

from __future__ import annotations

import argparse

from isegm.bridges.base import BRIDGES, Bridge
from isegm.cli import flags
from isegm.cli.running import Formatter, say
from isegm.inference.chosen import Chosen, choose
from isegm.methods.checkpoints import STARTER
from isegm.utils.config import load_config
from isegm.utils.device import pick_device


def add_flags(parser: argparse.ArgumentParser) -> None:
    tools = parser.add_subparsers(dest="tool", metavar="TOOL", required=True)
    for name in BRIDGES.names():
        bridge: Bridge = BRIDGES.make({"bridge": name})
        command = name.replace("_", "-")
        part = tools.add_parser(
            command,
            help=bridge.description.split("\n")[0],
            description=bridge.description,
            formatter_class=Formatter,
        )
        flags.add_checkpoint(part, default=STARTER)
        flags.add_protocol(part)
        flags.add_dataset(part)
        bridge.add_flags(part)
        flags.add_device(part)
        flags.add_config(part)


def main(args: argparse.Namespace) -> None:
    bridge: Bridge = BRIDGES.make({"bridge": args.tool.replace("-", "_")})

    def chosen() -> Chosen:
        device = pick_device(args.cpu, args.gpus)
        cfg = load_config(args.config_path)
        return choose(cfg, args.checkpoint, device, args.protocol, args.dataset)

    if (advice := bridge.start(args, chosen)) is not None:
        say(advice)
