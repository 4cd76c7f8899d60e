"""Experiment scripts: files under models/ with a ``MODEL`` spec and a function ``main(cfg)``."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from isegm.core.errors import IsegmError


def load_experiment(path: str | Path) -> ModuleType:
    """Run an experiment script as a module; its ``main`` is not called.

    Raises:
        IsegmError: there is no such script, or it lacks ``main``.
    """
    path = Path(path)
    if path.suffix != ".py" or not path.exists():
        raise IsegmError(f"there is no experiment script {path}; expected e.g. models/ritm/tiny_synthetic.py")
    described = importlib.util.spec_from_file_location(f"experiment_{path.stem}", path)
    experiment = importlib.util.module_from_spec(described)
    sys.modules[described.name] = experiment  # data workers look classes up by module
    described.loader.exec_module(experiment)
    if not hasattr(experiment, "main"):
        raise IsegmError(f"{path} has no function main(cfg)")
    return experiment
