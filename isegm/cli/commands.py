"""The commands of ``isegm``: the files of this folder that define ``add_flags`` and ``main``.

A command has the name of its file (``check_data.py`` is ``isegm check-data``; ``try_.py`` is
``isegm try``, which is a keyword in Python). The first line of the file's docstring is its line in
the list, and the docstring is its help. Files are parsed and not imported, so that the list does
not need torch.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import isegm
from isegm.cli.running import Formatter, run, say
from isegm.core.errors import unknown

HERE = Path(__file__).parent
HELP = ("-h", "--help")


def summaries() -> dict[str, str]:
    """The names of all commands in alphabetical order, and what each does in one line."""
    lines = {}
    for path in HERE.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        if {"add_flags", "main"} <= functions:
            lines[_command(path.stem)] = (ast.get_docstring(tree) or "").split("\n")[0]
    return dict(sorted(lines.items()))


def parser_of(name: str, prog: str = "") -> argparse.ArgumentParser:
    """The parser of one command; imports what the command imports.

    Args:
        prog: how the command is called in its help (default: ``isegm <name>``).

    Raises:
        IsegmError: there is no such command, or an optional package that it needs is missing.
    """
    return _parser(_module(name), prog or f"isegm {name}")


def run_command(name: str, argv: Sequence[str], prog: str = "") -> int:
    """Run one command and return its exit status: 0 for success, 2 for an error of the user, or
    the command's own.
    """

    def parse_and_run() -> int | None:
        module = _module(name)
        return module.main(_parser(module, prog or f"isegm {name}").parse_args(argv))

    return run(parse_and_run)


def main(argv: Sequence[str] | None = None) -> int:
    """``isegm <command> ...``: the console script and ``python -m isegm``."""
    name, *rest = (sys.argv[1:] if argv is None else argv) or HELP
    if name == "--version":
        return run(lambda: say(isegm.__version__))
    if name in HELP:
        return run(lambda: say(_help()))
    return run_command(name, rest)


def _command(stem: str) -> str:
    return stem.rstrip("_").replace("_", "-")


def _module(name: str) -> ModuleType:
    stems = {_command(path.stem): path.stem for path in HERE.glob("*.py")}
    known = summaries()
    if name not in known:
        raise unknown("command", name, known)
    return importlib.import_module(f"isegm.cli.{stems[name]}")


def _parser(module: ModuleType, prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog, description=module.__doc__, formatter_class=Formatter
    )
    module.add_flags(parser)
    return parser


def _help() -> str:
    known = summaries()
    width = max(map(len, known)) + 2
    lines = [f"  {name:{width}}{summary}" for name, summary in known.items()]
    head = "usage: isegm <command> ...\n\nClick-based interactive image segmentation.\n"
    return "\n".join([head, *lines, "", "isegm <command> --help describes one of them."])
