"""What the documentation names exists: files it links to, scripts and experiments it runs, and their flags."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from isegm.training.flags import FLAGS
from isegm.utils.config import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(REPOSITORY)) for page in PAGES]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
# Something that looks like a file of this repository; templates (<name>, NNN, *) and data folders are no such thing.
NAMED = re.compile(r"(?<![\w/.])((?:isegm|tests|scripts|models|configs|docs|assets)/[\w/.-]*\w|train\.py)(?![\w/*<{])")
INTRODUCED = re.compile(r"<!-- file: (\S+) -->")
SHARED = ("isegm.inference.flags",)  # modules that add flags to the parsers of scripts which import them
ENTRY = re.compile(r"^(?:python|torchrun --nproc-per-node \d+) (train\.py|scripts/\w+\.py)\b(.*)$", re.MULTILINE)
FLAG = re.compile(r"(?<![\w-])(--[a-z][\w-]*)")
# Flags that no argparse parser of this repository knows: of other programs that pages mention.
TORCHRUN = {"--nnodes", "--node-rank", "--nproc-per-node", "--master-addr", "--master-port", "--max-restarts", "--standalone"}
SBATCH = {"--nodes", "--gpus-per-node", "--time"}
FOREIGN = {"--logdir", "--force-reinstall"} | TORCHRUN | SBATCH


def anchors(page: Path) -> set[str]:
    """The anchors that a page has: its headings as GitHub writes them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def flags_of(script: str) -> set[str]:
    """The flags that a script's source adds to its parser, or that of a module in ``SHARED`` which it imports."""
    text = (REPOSITORY / script).read_text()
    imported = [module for module in SHARED if f"from {module} import" in text]
    text += "".join((REPOSITORY / f"{module.replace('.', '/')}.py").read_text() for module in imported)
    added = re.findall(r"\badd(?:_argument)?\(((?:\s*\"--[\w-]+\",?)+)", text)
    shared = {"--seed", "--first-click-center", "--with-prev-mask", *(f"--{flag.name}" for flag in FLAGS)}
    return {"--help"} | (shared if script == "train.py" else set()) | {flag for group in added for flag in FLAG.findall(group)}


@pytest.fixture(scope="module")
def every_flag() -> set[str]:
    scripts = ["train.py", *(f"scripts/{path.name}" for path in (REPOSITORY / "scripts").glob("*.py"))]
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


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_named_files_exist(page: Path) -> None:
    text = page.read_text()
    introduced = set(INTRODUCED.findall(text))
    for name in set(NAMED.findall(text)) - introduced:
        assert (REPOSITORY / name).exists(), name


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_have_their_flags(page: Path) -> None:
    for _, block in FENCED.findall(page.read_text()):
        for script, rest in ENTRY.findall(block.replace("\\\n", " ")):
            words = shlex.split(rest, comments=True)
            given = {word.partition("=")[0] for word in words if word.startswith("--")}
            assert given <= flags_of(script), f"{script} {sorted(given - flags_of(script))}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_flags_in_prose_belong_to_some_script(page: Path, every_flag: set[str]) -> None:
    for code in re.findall(r"`([^`\n]+)`", FENCED.sub("", page.read_text())):
        assert set(FLAG.findall(code)) <= every_flag, code


def test_the_flags_found_in_source_are_those_of_the_parser() -> None:
    """``flags_of`` reads source because importing every script is slow; one of them shows that it reads right."""
    described = importlib.util.spec_from_file_location("train_script", REPOSITORY / "train.py")
    script = importlib.util.module_from_spec(described)
    described.loader.exec_module(script)
    script.parse_arguments(["--diff", "models/x.py", "models/y.py"])
    for flag in flags_of("train.py") - {"--help", "--diff"}:
        alone = ("--cpu", "--check", "--show", "--first-click-center", "--with-prev-mask")
        value = [] if flag in alone else {"--amp": ["off"], "--batch-size": ["1"]}.get(flag, ["1"])
        script.parse_arguments(["models/x.py", flag, *value])
    with pytest.raises(SystemExit):
        script.parse_arguments(["models/x.py", "--no-such-flag"])


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_no_path_of_one_machine(page: Path) -> None:
    assert not re.search(r"(?<![\w.])/(work|home|root|Users)/", page.read_text())
