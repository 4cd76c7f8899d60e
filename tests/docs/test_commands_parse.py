"""Every command that README and docs show is one that exists, and its own parser accepts it."""

from __future__ import annotations

import argparse
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from isegm.cli.commands import parser_of, summaries
from isegm.utils.config import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(REPOSITORY)) for page in PAGES]
SHELL = re.compile(r"^( *)```(?:sh|bash)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
RUNNERS = re.compile(r"^torchrun (?:--standalone |--[\w-]+ [\w.:-]+ )+")
# Programs of others, which the pages name; their flags are their own affair.
ADDED = ("cli", "bridges")
OTHERS = {"git", "export", "tensorboard", "ssh", "sbatch", "for", "done", "cd", "."}


class Parsed(Exception):
    """A script's parser accepted its arguments."""


def commands(page: Path) -> Iterator[str]:
    """The command lines of a page's shell blocks, without comments and continuation lines."""
    for _, block in SHELL.findall(page.read_text()):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                yield shlex.join(words)


def accepted(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the real parser of ``isegm ...`` or ``python script.py ...`` read its arguments."""
    program, *rest = words
    if program == "isegm":
        if rest and rest != ["--version"] and rest != ["--help"]:
            assert rest[0] in summaries(), f"no such command: isegm {rest[0]}"
            parse(parser_of(rest[0]), rest[1:])
        return

    def stop(self: argparse.ArgumentParser, args=None, namespace=None) -> None:
        parse(self, sys.argv[1:] if args is None else args)
        raise Parsed

    script = REPOSITORY / program
    assert script.is_file(), f"no such script: {program}"
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.syspath_prepend(str(script.parent))
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    with pytest.raises(Parsed):
        runpy.run_path(str(script), run_name="__main__")


PARSE_KNOWN = argparse.ArgumentParser.parse_known_args


def parse(parser: argparse.ArgumentParser, words: list[str]) -> None:
    status: object = 0
    unknown: list[str] = []
    try:
        _, unknown = PARSE_KNOWN(parser, words)
    except SystemExit as ended:
        status = ended.code  # of --help: 0
    assert status == 0, f"{parser.prog} refuses {shlex.join(words)}"
    assert not unknown, f"{parser.prog} does not know {unknown}"


def added(folder: str, words: list[str], text: str) -> bool:
    """Whether the page itself adds this command, or the bridge that this command starts."""
    named = words[1 + ADDED.index(folder) :][:1]
    return any(f"file: isegm/{folder}/{name.replace('-', '_')}.py" in text for name in named)


def check(command: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One command line: the first word decides who has to know the rest."""
    words = shlex.split(RUNNERS.sub("", command))
    for prefix in (("python", "python3"), ("-m",)):
        words = words[1:] if words[0] in prefix else words
    first = words[0]
    if first == "isegm" and any(added(folder, words, text) for folder in ADDED):
        return
    if first == "isegm" or first.endswith(".py"):
        accepted(words, monkeypatch)
    elif first == "make":
        targets = re.findall(r"^(\w+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
        assert {word for word in words[1:] if "=" not in word} <= set(targets), command
    elif first == "pip":
        _, _, extras = (REPOSITORY / "pyproject.toml").read_text().partition("optional-dep")
        known = re.findall(r"^(\w+) = \[", extras.partition("[project.scripts]")[0], re.MULTILINE)
        for asked in re.findall(r"\.\[([\w,]+)\]", command):
            assert set(asked.split(",")) <= set(known), command
    elif first == "pytest":
        for word in words[1:]:
            assert not word.startswith("tests/") or (REPOSITORY / word).exists(), command
    else:
        known = {*OTHERS, "-c", "venv", "http.server"}
        assert first in known or re.match(r"\w+=", first), command


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_are_accepted(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = page.read_text()
    for command in commands(page):
        with monkeypatch.context() as patch:
            check(command, text, patch)


@pytest.mark.parametrize(
    "command",
    [
        "isegm train models/ritm/hrnet18s_cocolvis.py --gpuz 0",
        "isegm trian models/ritm/hrnet18s_cocolvis.py",
        "python scripts/picture_strip.py --checkpoint starter",
        "python scripts/none_such.py",
        "pip install -e '.[nothing]'",
        "make nothing",
        "frobnicate --now",
    ],
)
def test_a_wrong_command_is_caught(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, pytest.raises((AssertionError, ValueError)):
        check(command, "", patch)
