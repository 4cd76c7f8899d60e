"""Starting the demo without a checkpoint: a small model is trained once, can be stopped, and goes on where it was."""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest
from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.utils.config import REPOSITORY

pytest.importorskip("uvicorn")
pytest.importorskip("fastapi")
ASKED = argparse.Namespace(set=["train.epochs=1"], config_path=None)


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, on a machine where nothing was trained yet."""
    described = importlib.util.spec_from_file_location("demo_script", REPOSITORY / "scripts/demo.py")
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    monkeypatch.setattr(module, "QUICKSTART", tmp_path / "quickstart/model.safetensors")
    return module


def config(folder: Path) -> EasyDict:
    return EasyDict(EXPS_PATH=str(folder / "runs"), config_path=str(folder / "config.yml"))


def trained(folder: Path, name: str, age: float = 0) -> Path:
    path = folder / "runs/ritm/tiny_synthetic" / name / "model.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    os.utime(path, (1e9 - age, 1e9 - age))
    return path


def test_it_trains_once_and_keeps_what_came_out(
    demo: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    commands: list[list[str]] = []

    def train(command: list[str]) -> int:
        commands.append(command)
        trained(tmp_path, "003_demo")
        return 0

    monkeypatch.setattr(demo, "_patiently", train)
    monkeypatch.setattr(demo.log, "propagate", True)
    with caplog.at_level("INFO", "isegm"):
        found = demo.small_model(config(tmp_path), ASKED)
    assert found.parent.name == "003_demo"
    assert "five minutes" in caplog.text  # somebody is waiting
    (command,) = commands
    assert " ".join(command[1:3]) == f"train.py {demo.EXPERIMENT}"
    assert " ".join(command).endswith("--exp-name demo --resume auto --set train.epochs=1")
    assert demo.small_model(config(tmp_path), ASKED) == found
    assert len(commands) == 1


def test_another_config_is_passed_on(demo: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(demo, "_patiently", lambda command: commands.append(command) or 0)
    monkeypatch.chdir(tmp_path)  # while training runs in the repository
    with pytest.raises(IsegmError, match="left no model"):
        demo.small_model(config(tmp_path), argparse.Namespace(set=[], config_path="config.yml"))
    assert commands[0][-2:] == ["--config-path", str(tmp_path / "config.yml")]


def test_a_finished_model_is_taken_the_newest_first(demo: ModuleType, tmp_path: Path) -> None:
    trained(tmp_path, "000_quickstart", age=10)
    newest = trained(tmp_path, "001_demo", age=5)
    trained(tmp_path, "002_wide")  # somebody's experiment, of whatever size
    assert demo.small_model(config(tmp_path), ASKED) == newest
    demo.QUICKSTART.parent.mkdir()
    demo.QUICKSTART.write_bytes(b"")
    assert demo.small_model(config(tmp_path), ASKED) == demo.QUICKSTART


@pytest.mark.parametrize(("status", "error"), [(130, KeyboardInterrupt), (-2, KeyboardInterrupt), (2, IsegmError)])
def test_a_training_that_ends_early_is_said(
    demo: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, error: type[BaseException]
) -> None:
    monkeypatch.setattr(demo, "_patiently", lambda command: status)
    with pytest.raises(error):
        demo.small_model(config(tmp_path), ASKED)


def test_ctrl_c_leaves_the_training_time_to_save(demo: ModuleType, tmp_path: Path) -> None:
    """The terminal sends SIGINT to both; only the training decides when it is done."""
    note = tmp_path / "saved"
    child = (
        "import os, signal, sys, time\n"
        "def save(*_):\n"
        "    time.sleep(1)\n"
        "    open(sys.argv[1], 'w').close()\n"
        "    sys.exit(130)\n"
        "signal.signal(signal.SIGINT, save)\n"
        "os.kill(os.getppid(), signal.SIGINT)\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
    )
    before = signal.getsignal(signal.SIGINT)
    assert threading.current_thread() is threading.main_thread()
    assert demo._patiently([sys.executable, "-c", child, str(note)]) == 130
    assert note.exists()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_taken_port_is_noticed_before_anything_takes_long(demo: ModuleType) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(IsegmError, match="choose another --port"):
            demo.check_address("127.0.0.1", port)
    demo.check_address("127.0.0.1", port)
    for host, wrong, message in (("127.0.0.1", 70000, "from 1 to 65535"), ("no such host", 8080, "cannot listen")):
        with pytest.raises(IsegmError, match=message):
            demo.check_address(host, wrong)
