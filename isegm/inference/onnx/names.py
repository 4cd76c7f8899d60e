"""Which names are those of exported networks; imports neither torch nor onnxruntime."""

from __future__ import annotations

from pathlib import Path

SUFFIX = ".onnx"
DECODER = f"decoder{SUFFIX}"


def is_exported(checkpoint: str | Path) -> bool:
    """Whether a checkpoint is what ``isegm export`` writes: a file, or a folder of files."""
    path = Path(checkpoint).expanduser()
    return path.suffix == SUFFIX or (path / DECODER).is_file()


def main_file(checkpoint: str | Path) -> Path:
    """The file that answers clicks."""
    path = Path(checkpoint).expanduser()
    return path / DECODER if path.is_dir() else path
