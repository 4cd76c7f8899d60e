"""Reading experiments: a script that defines ``EXPERIMENT``, or the ``experiment.json`` of a run
folder.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from isegm.core.errors import IsegmError
from isegm.core.registry import OWN
from isegm.training.experiment import Experiment, OwnFile, from_json
from isegm.utils.files import sha256_of

HEADER = {"kind": "experiment", "schema": 1}
EXAMPLE = "models/ritm/tiny_synthetic.py"


@dataclass(frozen=True)
class Loaded:
    """An experiment and its origin.

    Attributes:
        name: ``<folder>/<name>`` of the original script; the folder of its runs.
        files: to copy to a run folder: the script, and its local imports if it defines parts of the
            experiment.
    """

    experiment: Experiment
    name: str
    files: tuple[Path, ...] = ()


def load_experiment(path: str | Path) -> Loaded:
    """Read an experiment from a script or from JSON.

    Scripts may import files from their own folder, such as ``common.py``, and the folder above.

    Raises:
        IsegmError: there is no such file, or it holds no experiment.
    """
    path = Path(path)
    if path.suffix not in (".py", ".json") or not path.is_file():
        raise IsegmError(
            f"there is no experiment {path}; expected a script, e.g. {EXAMPLE}, or an"
            " experiment.json"
        )
    return _from_json_file(path) if path.suffix == ".json" else _from_script(path)


def to_text(loaded: Loaded, command: str = "") -> str:
    """The ``experiment.json`` of a run; ``command`` is for people."""
    content = {
        "isegm": HEADER,
        "name": loaded.name,
        "command": command,
        "experiment": loaded.experiment.to_json(),
    }
    return json.dumps(content, indent=1) + "\n"


def run_script(path: Path) -> tuple[ModuleType, list[Path]]:
    """Run an experiment script as a module; returns it and the files it imported from its folder
    and the one above.
    """
    described = importlib.util.spec_from_file_location(OWN, path)
    module = importlib.util.module_from_spec(described)
    sys.modules[OWN] = module  # data workers look classes up by module
    folder = path.resolve().parent
    with _importable(folder, folder.parent) as imported:
        described.loader.exec_module(module)
    return module, imported


def _from_script(path: Path) -> Loaded:
    module, imported = run_script(path)
    files = [path]
    experiment = getattr(module, "EXPERIMENT", None)
    if not isinstance(experiment, Experiment):
        raise IsegmError(
            f"{path} defines no EXPERIMENT = Experiment(...); a script with main(cfg), as earlier"
            f" versions had it, must be rewritten: see docs/how-to/train.md and {EXAMPLE}"
        )
    if experiment.has_own_parts:
        files += imported
        own = OwnFile(path.name, {p.name: sha256_of(p) for p in files}, module)
        experiment = replace(experiment, file=own)
    script = path.resolve()
    return Loaded(experiment.completed(), f"{script.parent.name}/{script.stem}", tuple(files))


def _from_json_file(path: Path) -> Loaded:
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise IsegmError(f"{path} is not JSON: {error}") from None
    if not isinstance(content, dict) or content.get("isegm") != HEADER:
        raise IsegmError(
            f"{path} holds no experiment of this version: expected a file that a training wrote"
        )
    try:
        values, name = content["experiment"], str(content["name"])
        file = _own_file(path.parent, values["file"]) if values.get("file") else None
        files = tuple(path.parent / name for name in file.hashes) if file else ()
        return Loaded(from_json(values, file).completed(), name, files)
    except (KeyError, TypeError, AttributeError) as error:
        raise IsegmError(f"{path} holds no experiment ({type(error).__name__}: {error})") from None
    except IsegmError as error:
        raise IsegmError(f"{path}: {error}") from None


def _own_file(folder: Path, described: dict[str, Any]) -> OwnFile:
    """The file beside a JSON that defines parts of its experiment; run only if it is unchanged."""
    for name, expected in described["hashes"].items():
        path = folder / Path(name).name
        if not path.is_file():
            raise IsegmError(
                f"the experiment needs {path}, which is not there; put it next to the JSON"
            )
        if (actual := sha256_of(path)) != expected:
            raise IsegmError(
                f"{path} was changed since the experiment was written: sha256 {actual}, not"
                f" {expected}"
            )
    if described["name"] not in described["hashes"]:
        raise IsegmError(f"the hash of its own file {described['name']} is missing")
    module, _ = run_script(folder / Path(described["name"]).name)
    return OwnFile(described["name"], dict(described["hashes"]), module)


@contextmanager
def _importable(beside: Path, above: Path) -> Iterator[list[Path]]:
    """Make files of two folders importable by name, and unload them afterwards: each experiment has
    its own.

    At the end, the yielded list holds the imported files.
    """
    before, imported = set(sys.modules), []
    sys.path[:] = [str(beside), *sys.path, str(above)]
    try:
        yield imported
    finally:
        sys.path.remove(str(beside))
        del sys.path[len(sys.path) - 1 - sys.path[::-1].index(str(above))]
        for name in sorted(set(sys.modules) - before - {OWN}):
            file = getattr(sys.modules[name], "__file__", None)
            if "." not in name and file and Path(file).resolve().parent in (beside, above):
                imported.append(Path(file).resolve())
                del sys.modules[name]
