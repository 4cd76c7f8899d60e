"""What the documentation names exists: files it links to, scripts and experiments it runs, and
their flags.
"""

import argparse
import functools
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from isegm.cli.commands import parser_of, summaries
from isegm.utils.config import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(REPOSITORY)) for page in PAGES]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
# Something that looks like a file of this repository; templates (<name>, NNN, *) and data folders
# are no such thing.
NAMED = re.compile(
    r"(?<![\w/.-])((?:isegm|tests|scripts|models|configs|docs|assets)/[\w/.-]*\w|train\.py)(?![\w/*<{\\])"
)
INTRODUCED = re.compile(r"<!-- file: (\S+) -->")
RUNNER = r"(?:python|torchrun(?: --[\w-]+ \d+)+) "
ENTRY = re.compile(
    rf"^(?:{RUNNER})?(train\.py|scripts/\w+\.py|(?:-m )?isegm [a-z-]+)\b(.*)$", re.MULTILINE
)
FLAG = re.compile(r"(?<![\w-])(--[a-z][\w-]*)")
# Commands that are on their way; the moment they exist, they are checked too.
# Flags that no argparse parser of this repository knows: of other programs that pages mention.
TORCHRUN = {
    "--nnodes",
    "--node-rank",
    "--nproc-per-node",
    "--master-addr",
    "--master-port",
    "--max-restarts",
    "--standalone",
}
SBATCH = {"--nodes", "--gpus-per-node", "--time"}
FOREIGN = {"--logdir", "--force-reinstall"} | TORCHRUN | SBATCH


def anchors(page: Path) -> set[str]:
    """The anchors that a page has: its headings as GitHub writes them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@functools.cache
def flags_of(entry: str) -> set[str]:
    """The flags of a command (``isegm NAME``, or a script that is its door), or of another script.

    Importing every script is slow: of those that are no door, the source is read.
    """
    name = entry.rpartition(" ")[2] if "isegm " in entry else None
    text = "" if name else (REPOSITORY / entry).read_text()
    if door := re.search(r'run_command\("([\w-]+)"', text):
        name = door[1]
    if name:
        return flags_of_parser(parser_of(name))
    added = re.findall(r"\badd(?:_argument)?\(((?:\s*\"--[\w-]+\",?)+)", text)
    return {"--help"} | {flag for group in added for flag in FLAG.findall(group)}


def flags_of_parser(parser: argparse.ArgumentParser) -> set[str]:
    flags = {name for action in parser._actions for name in action.option_strings}
    groups = [
        action for action in parser._actions if isinstance(action, argparse._SubParsersAction)
    ]
    below = [flags_of_parser(part) for group in groups for part in group.choices.values()]
    return flags.union(*below)


@pytest.fixture(scope="module")
def every_flag() -> set[str]:
    scripts = [
        "train.py",
        *(f"scripts/{path.name}" for path in (REPOSITORY / "scripts").glob("*.py")),
    ]
    return set().union(*(flags_of(script) for script in scripts)) | FOREIGN


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(FENCED.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert REPOSITORY in (target, *target.parents), f"{link} leaves the repository"
        if anchor:
            assert anchor in anchors(target), link


# External links are listed, not fetched: a new host has to be added here, on purpose.
ZOO = REPOSITORY / "docs/reference/zoo.md"  # its addresses are those of assets/zoo.yml
HOSTS = {
    "127.0.0.1:8080",
    "arxiv.org",
    "cocodataset.org",
    "github.com",
    "pytorch.org",
    "saliencydetection.net",
    "www.npmjs.com",
    "www2.eecs.berkeley.edu",
}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_external_links_lead_to_known_hosts(page: Path) -> None:
    text = FENCED.sub("", page.read_text())
    links = [link for link in LINK.findall(text) if re.match(r"[a-z]+:", link)]
    links += re.findall(r"<(https?://[^>]+)>", text)
    for link in links:
        assert re.match(r"https?://[^/]+", link), link
        assert page == ZOO or link.split("/")[2] in HOSTS, link


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_named_files_exist(page: Path) -> None:
    text = page.read_text()
    introduced = set(INTRODUCED.findall(text))
    for name in set(NAMED.findall(text)) - introduced:
        assert (REPOSITORY / name).exists(), name


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_have_their_flags(page: Path) -> None:
    text = page.read_text()
    for _, block in FENCED.findall(text):
        for script, rest in ENTRY.findall(block.replace("\\\n", " ")):
            if f"file: isegm/cli/{script.rpartition(' ')[2]}.py" in text:
                continue  # a command that the page itself adds
            words = shlex.split(rest, comments=True)
            given = {word.partition("=")[0] for word in words if word.startswith("--")}
            assert given <= flags_of(script), f"{script} {sorted(given - flags_of(script))}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_flags_in_prose_belong_to_some_script(page: Path, every_flag: set[str]) -> None:
    for code in re.findall(r"`([^`\n]+)`", FENCED.sub("", page.read_text())):
        assert set(FLAG.findall(code)) <= every_flag, code


def test_the_flags_found_in_source_are_those_of_the_parser() -> None:
    """Where ``flags_of`` reads source, one script shows that it reads right."""
    script = "scripts/quickstart.py"
    told = subprocess.run(
        [sys.executable, REPOSITORY / script, "--help"], check=True, capture_output=True, text=True
    ).stdout
    assert flags_of(script) == set(FLAG.findall(told.partition("options:")[2]))


def test_the_page_of_commands_lists_all_of_them() -> None:
    rows = re.findall(
        r"^\| `isegm ([\w-]+)` \| `([\w./]+)` \| (.+) \|$",
        (REPOSITORY / "docs/reference/commands.md").read_text(),
        re.M,
    )
    assert {name: summary for name, _, summary in rows} == summaries()
    for name, door, _ in rows:
        assert f'run_command("{name}"' in (REPOSITORY / door).read_text()


def test_doors_have_the_flags_of_their_commands() -> None:
    assert (
        flags_of("scripts/convert_annotations.py")
        == flags_of("isegm convert-annotations")
        > {"--help", "--split"}
    )
    assert (
        flags_of("train.py")
        == flags_of("-m isegm train")
        > {"--gpus", "--mid-ch", "--with-prev-mask"}
    )


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_no_path_of_one_machine(page: Path) -> None:
    assert not re.search(r"(?<![\w.])/(work|home|root|Users)/", page.read_text())
