"""A module imports only lower layers or its own folder, and nothing is re-exported."""

import ast
from pathlib import Path

import pytest

import isegm

ROOT = Path(isegm.__file__).parent
LAYER = {
    "core": 0,
    "utils": 0,
    "nn": 1,
    "zoo": 1,
    "methods": 2,
    "data": 2,
    "originals": 3,
    "foreign": 3,
    "inference": 4,
    "training": 4,
    "evaluation": 5,
    "export": 5,
    "demo": 6,
    "selftest": 6,
    "bridges": 7,
    "cli": 8,
    "reference": 9,
}
MODULES = sorted(ROOT.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The second part of every isegm import anywhere in a file, those inside functions included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("isegm.")}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    here = path.relative_to(ROOT).parts[0]
    if (
        here == "__init__.py"
    ):  # for type checkers: at run time nothing is imported, see test_package.py
        assert imported(path) <= {"inference"}
        return
    if here == "__main__.py":
        assert imported(path) == {"cli"}
        return
    for there in imported(path) - {here}:
        allowed = LAYER[there] < LAYER[here] or (here == "utils" and there == "core")
        names = f"isegm/{here} (layer {LAYER[here]}) must not import isegm/{there}"
        assert allowed, f"{names} (layer {LAYER[there]})"


@pytest.mark.parametrize(
    "path", [p for p in MODULES if p.name == "__init__.py"], ids=lambda p: str(p.relative_to(ROOT))
)
def test_nothing_is_reexported(path: Path) -> None:
    assert path.parent == ROOT or not path.read_text().strip()


def test_every_folder_has_a_layer() -> None:
    assert {p.relative_to(ROOT).parts[0] for p in MODULES if p.parent != ROOT} <= set(LAYER)


@pytest.mark.parametrize(
    "path", sorted((ROOT.parent / "scripts").glob("*.py")), ids=lambda p: p.name
)
def test_only_benchmarks_compare_with_the_slow_twins(path: Path) -> None:
    assert "reference" not in imported(path) or path.name.startswith(("benchmark_", "measure_"))
