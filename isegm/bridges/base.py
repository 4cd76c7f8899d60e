"""Bridges to the tools people label with.

One file in this folder is one bridge, and ``isegm bridge`` calls it by the file's name. Its
docstring is its help, the first line its line in the list. Nothing else lists the bridges.
"""

from __future__ import annotations

import argparse
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from isegm.core.errors import IsegmError
from isegm.core.parts import Family
from isegm.demo import serving
from isegm.demo.limits import Limits
from isegm.demo.pictures import PaintedPictures
from isegm.inference.chosen import Chosen
from isegm.inference.click_lists import Keeping
from isegm.utils.extras import needed

if TYPE_CHECKING:
    from isegm.demo.app import Tool

BRIDGES = Family("bridge", "isegm.bridges", "BRIDGE", "bridge")


class Bridge(ABC):
    """A bridge to one tool. Its module may import optional packages only inside functions, so that
    the list of bridges needs none of them.
    """

    @property
    def description(self) -> str:
        """The help: the docstring of the bridge's file."""
        return inspect.getdoc(inspect.getmodule(type(self))) or ""

    @abstractmethod
    def add_flags(self, parser: argparse.ArgumentParser) -> None:
        """Flags other than those that choose the model."""

    @abstractmethod
    def start(self, args: argparse.Namespace, choose: Callable[[], Chosen]) -> str | None:
        """Do what the command is for.

        Args:
            choose: loads the model, to be called after the fast checks.

        Returns:
            What the user is to do next, if anything.
        """


class ServerBridge(Bridge):
    """Answers a tool's requests, with the demo's server.

    Attributes:
        port: where the tool looks for its server by default.
    """

    port: ClassVar[int]

    def add_flags(self, parser: argparse.ArgumentParser) -> None:
        serving.add_flags(parser, self.port)

    def start(self, args: argparse.Namespace, choose: Callable[[], Chosen]) -> None:
        app = needed("isegm.demo.app", "demo", "this bridge")
        limits = serving.limits_of(args)
        serving.check_address(args.host, args.port)
        tool, chosen = self.tool(args), choose()
        served = app.Served(
            chosen.answering,
            chosen.checkpoint,
            chosen.protocol,
            chosen.device,
            PaintedPictures(),
        )
        made = app.create_app(served, limits, serving.hosts_of(args), tool)
        serving.listen(made, args)

    @abstractmethod
    def tool(self, args: argparse.Namespace) -> Tool:
        """The tool's routes.

        Raises:
            IsegmError: a flag has no valid value.
        """


class FilesBridge(Bridge):
    """Writes files that a tool loads.

    Attributes:
        needs: modules of this package that need an extra, and the extra.
    """

    needs: ClassVar[dict[str, str]] = {}

    def add_flags(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--out", type=Path, required=True, help="a new or empty folder")

    def start(self, args: argparse.Namespace, choose: Callable[[], Chosen]) -> str:
        if args.out.exists() and not args.out.is_dir():
            raise IsegmError(f"--out {args.out} is a file; expected a new or empty folder")
        if args.out.exists() and any(args.out.iterdir()):
            raise IsegmError(f"--out {args.out} is not empty; name another folder, or empty it")
        for module, extra in self.needs.items():
            needed(module, extra, "this bridge")
        chosen = choose()
        args.out.mkdir(parents=True, exist_ok=True)
        return self.write(args.out, chosen, args)

    @abstractmethod
    def write(self, folder: Path, chosen: Chosen, args: argparse.Namespace) -> str:
        """Write the files into an empty folder, and return what the user is to do next."""


def keeping_of(limits: Limits) -> Keeping:
    """What a server keeps between requests, within its limits."""
    return Keeping(limits.sessions, limits.history_bytes, limits.idle_seconds)
