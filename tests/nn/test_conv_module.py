"""The first import of mmcv by several processes."""

import os
import subprocess
import sys

import pytest

from isegm.nn import conv_module
from isegm.utils.config import REPOSITORY


def test_half_a_cache_file_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conv_module, "PAUSE", 0)
    failures = [EOFError("Ran out of input"), EOFError("Ran out of input")]

    def load() -> type:
        if failures:
            raise failures.pop()
        return int

    assert conv_module.imported(load) is int


def test_a_damaged_cache_is_an_error_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conv_module, "PATIENCE", 0)

    def load() -> type:
        raise EOFError("Ran out of input")

    with pytest.raises(EOFError, match="Ran out of input"):
        conv_module.imported(load)


def test_processes_that_begin_together_all_import(tmp_path) -> None:
    """With an empty cache, as in a new environment."""
    words = [sys.executable, "-c", "import isegm.nn.conv_module"]
    where = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    running = [subprocess.Popen(words, env=where, stderr=subprocess.PIPE) for _ in range(4)]
    said = [process.communicate(timeout=300)[1].decode() for process in running]
    assert [process.returncode for process in running] == [0] * 4, said
