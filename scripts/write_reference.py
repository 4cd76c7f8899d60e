"""Write the pages of docs/reference that follow from code and data: flags, protocols, Python
interface, zoo.

    python scripts/write_reference.py
    python scripts/write_reference.py --check

With --check nothing is written; the status is 1 if a page is not what this script writes.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this clone's package first

from generated import write_or_check  # noqa: E402
from zoo_tables import zoo_page  # noqa: E402

from isegm.cli.commands import parser_of, summaries  # noqa: E402
from isegm.cli.running import Formatter, run  # noqa: E402
from isegm.inference.protocol import Protocol, load_protocol  # noqa: E402

NOTICE = "<!-- Written by scripts/write_reference.py; do not edit. -->"
# What a program or an experiment of one's own uses, in the order in which one meets it.
INTERFACE = {
    "Programs": {"inference/engine.py": ("Engine", "EngineSession", "load")},
    "Values": {
        "core/click.py": ("Click",),
        "core/clicks.py": ("Clicks",),
        "core/rounds.py": ("Session", "Round", "Prediction"),
        "core/samples.py": ("Sample", "InstanceSample", "ObjectInfo"),
        "core/registry.py": ("spec", "build"),
    },
    "Methods": {"methods/base.py": ("ClickModel",)},
    "Experiments": {"training/experiment.py": ("Experiment", "Training")},
    "Evaluation": {
        "inference/protocol.py": ("Protocol", "load_protocol"),
        "inference/predictor.py": ("Predictor",),
        "evaluation/evaluate.py": ("evaluate",),
        "evaluation/results.py": ("RunResult",),
    },
    "Data": {"data/evaluation_sets.py": ("EvalDataset", "PairedDataset")},
}


def escaped(text: str) -> str:
    """Plain text as Markdown that shows it as it is; ``code`` becomes `code`."""
    parts = re.split(r"``(.+?)``|`([^`]+)`", text)
    out = []
    for i in range(0, len(parts), 3):
        out.append(re.sub(r"([*\[\]|])", r"\\\1", parts[i]).replace("<", "&lt;"))
        out += [f"`{code}`" for code in parts[i + 1 : i + 3] if code]
    return re.sub(r"(?m)^#", r"\\#", "".join(out))


def described(docstring: str) -> str:
    """The docstring of a command: paragraphs, and its examples as a block."""
    out = []
    for part in re.split(r"\n\n+", docstring.strip("\n")):
        indented = all(line.startswith("    ") for line in part.splitlines())
        code = re.sub(r"(?m)^ {4}(\S.*?\S {3,})(?=\w)", r"    \1# ", part)  # remarks
        code = "\n".join(line[4:] for line in code.splitlines())
        out.append(f"```sh\n{code}\n```" if indented else escaped(part))
    return "\n\n".join(out)


def flag_rows(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
            continue
        if action.help == argparse.SUPPRESS:
            continue
        value = action.metavar or (action.dest.upper() if action.option_strings else action.dest)
        if action.choices and not action.metavar:
            value = ",".join(map(str, action.choices))
        name = ", ".join(action.option_strings)
        if action.nargs != 0:
            name = f"{name} {value}".strip()
        values = {**vars(action), "prog": parser.prog}
        text = (Formatter(parser.prog)._get_help_string(action) or "") % values
        yield f"| `{name.replace('|', chr(92) + '|')}` | {escaped(' '.join(text.split()))} |"


def command_section(name: str) -> str:
    parser = parser_of(name)
    out = [f"## isegm {name}", described(parser.description or "")]
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    parts = [(f"### isegm {name} {key}", part) for g in groups for key, part in g.choices.items()]
    for heading, part in [("", parser), *parts]:
        rows = list(flag_rows(part))
        out += [heading] if heading else []
        out += ["| flag | meaning |\n|---|---|\n" + "\n".join(rows)] if rows else []
    return "\n\n".join(out)


def flags_page() -> str:
    lead = (
        "Every command with its flags, as `isegm <command> --help` prints them. What the commands"
        "\nare for, and their exit status: [commands](commands.md)."
    )
    return "\n\n".join(["# Flags", lead, *map(command_section, summaries())])


def settings_of(protocol: Protocol) -> list[str]:
    view = protocol.view
    unstopped = protocol.stop_iou > 1 or protocol.min_clicks >= protocol.max_clicks
    stop = "never" if unstopped else f"{protocol.stop_iou:g}"
    return [
        f"{protocol.mask_threshold:.2f}",
        str(protocol.max_clicks),
        stop,
        f"`{view['rule']}`",
        shown(view.get("size", "-")),
        str(view.get("expansion", "-")),
        "yes" if protocol.mirror else "no",
        protocol.merge,
    ]


def shown(value: object) -> str:
    if isinstance(value, list):
        return " x ".join(map(str, value))
    return str(value) if isinstance(value, str) else json.dumps(value)


def flattened(entries: dict, above: str = "") -> Iterator[str]:
    for key, value in entries.items():
        if isinstance(value, dict):
            yield from flattened(value, f"{above}{key}.")
        else:
            yield f"`{above}{key}` {shown(value)}"


def protocols_page() -> str:
    head = ["threshold", "clicks", "stops at IoU", "view rule", "view size", "expansion"]
    head = ["protocol", *head, "mirror", "start mask"]
    protocols = [load_protocol(path.stem) for path in sorted((ROOT / "configs/eval").glob("*.yml"))]
    rows = [[f"[{p.name}](#{p.name}) v{p.version}", *settings_of(p)] for p in protocols]
    table = "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])
    out = [
        "# Protocol settings",
        "The files of `configs/eval` in one table. [Protocols](protocols.md) explains every rule.\n"
        "The view size is in pixels: one number is the longer side (`zoom_in`) or the shorter one\n"
        "(`whole_image`).",
        table,
    ]
    for protocol in protocols:
        lines = [f"* source: {escaped(' '.join(protocol.source.split()))}"]
        lines += [f"* view: {', '.join(flattened(protocol.view))}"]
        lines += [f"* refine: {', '.join(flattened(protocol.refine))}"] if protocol.refine else []
        lines += [f"* {name}: {', '.join(flattened(c))}" for name, c in protocol.datasets.items()]
        out += [f"## {protocol.name}", "\n".join(lines)]
    return "\n\n".join(out)


def documented(docstring: str) -> str:
    """A docstring of the package as Markdown: prose, then its sections as lists."""
    out: list[str] = []
    for part in re.split(r"\n\n+", docstring.strip()):
        title, _, body = part.partition("\n")
        if re.fullmatch(r"[A-Z]\w+:", title) and body.startswith("    "):
            out.append(f"**{title[:-1]}**")
            entries = re.split(r"\n(?=    \S)", body)
            out.append("\n".join("* " + escaped(" ".join(entry.split())) for entry in entries))
        elif part.startswith("    "):
            out.append("```text\n" + "\n".join(line[4:] for line in part.splitlines()) + "\n```")
        else:
            out.append(escaped(part))
    return "\n\n".join(out)


def signature(node: ast.FunctionDef) -> str:
    arguments = ast.unparse(node.args).removeprefix("self, ").removeprefix("self")
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    is_property = any(getattr(d, "id", "") == "property" for d in node.decorator_list)
    return node.name + ("" if is_property else f"({arguments})") + returns


def entry(path: str, name: str) -> str:
    """A class with its public methods, or a function."""
    tree = ast.parse((ROOT / "isegm" / path).read_text(encoding="utf-8"))
    node = next(n for n in tree.body if getattr(n, "name", None) == name)
    module = "isegm." + path.removesuffix(".py").replace("/", ".")
    out = [f"### {name}", f"`{module}:{name}`, in [isegm/{path}](../../isegm/{path})"]
    if isinstance(node, ast.FunctionDef):
        out.append(f"```text\n{signature(node)}\n```")
    out.append(documented(ast.get_docstring(node) or ""))
    for part in getattr(node, "body", []):
        text = ast.get_docstring(part) if isinstance(part, ast.FunctionDef) else None
        if text and not part.name.startswith("_") and isinstance(node, ast.ClassDef):
            out += [f"**`{signature(part)}`**", documented(text)]
    return "\n\n".join(out)


def interface_page() -> str:
    lead = (
        "The classes and functions that programs, experiments and new methods use, with their\n"
        "docstrings. `isegm.Engine` and `isegm.load` are the first two; everything else is imported"
        "\nfrom its module."
    )
    out = ["# Python interface", lead]
    for heading, modules in INTERFACE.items():
        out.append(f"## {heading}")
        out += [entry(path, name) for path, names in modules.items() for name in names]
    return "\n\n".join(out)


PAGES = {
    "docs/reference/flags.md": flags_page,
    "docs/reference/protocol_settings.md": protocols_page,
    "docs/reference/api.md": interface_page,
    "docs/reference/zoo.md": zoo_page,
}


def main() -> int:
    files = {name: f"{NOTICE}\n\n{made()}\n" for name, made in PAGES.items()}
    return write_or_check(__doc__, "write_reference.py", files)


if __name__ == "__main__":
    raise SystemExit(run(main))
