"""One rule finds a checkpoint by name: files, the zoo, a hub."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from easydict import EasyDict
from file_server import FileServer

import isegm
from isegm.cli import convert
from isegm.cli.commands import parser_of
from isegm.core.errors import IsegmError
from isegm.core.registry import build
from isegm.methods.checkpoints import find_checkpoint
from isegm.methods.ritm import ritm_hrnet
from isegm.nn.weights import KeyReport
from isegm.originals.loading import LoadedModel, load_model, save_published, spec_of
from isegm.training.initial import pretrained_source
from isegm.zoo.hashes import RECORDS, digest

TINY = ritm_hrnet(width=18, depth="small", ocr_width=48)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as RITM's authors would publish it."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("published") / "their_name.pth"
    report = KeyReport(0, (), (), ())
    save_published(path, LoadedModel(build(TINY), TINY, "", "", "", report))
    return path


@pytest.fixture
def net(
    server: FileServer,
    zoo: Callable[..., None],
    published: Path,
    cfg: EasyDict,
    monkeypatch: pytest.MonkeyPatch,
) -> FileServer:
    """The zoo knows it as ``ritm_small``; the working folder is that of an empty machine."""
    server.files["/their_name.pth"] = published.read_bytes()
    about = {"method": "RITM", "file": "their_name.pth", "bases": [f"{server.address}/"]}
    about["hash"] = f"sha256:{digest(published, 'sha256')}"
    zoo(checkpoints={"ritm_small": about}, backbones={"b0": {"key": "SEGFORMER_B0"}})
    monkeypatch.chdir(Path(cfg.config_path).parent)
    return server


def test_the_engine_downloads_once(net: FileServer) -> None:
    for _ in range(2):
        engine = isegm.Engine("ritm_small", device="cpu")
    assert len(net.asked) == 1
    image = np.zeros((60, 80, 3), np.uint8)
    assert engine.predict([40], [30], [True], image).shape == (60, 80)
    assert spec_of("ritm_small")["target"] == TINY["target"]


@pytest.mark.parametrize("name", ["ritm_small", "their_name", "their_name.pth"])
def test_it_goes_by_several_names(
    net: FileServer, name: str, cfg: EasyDict, tmp_path: Path
) -> None:
    assert find_checkpoint(cfg, name) == tmp_path / "weights/their_name.pth"


def test_commands_take_it(net: FileServer, tmp_path: Path) -> None:
    words = ["ritm_small", "mine.safetensors"]
    convert.main(parser_of("convert").parse_args(words))
    assert load_model(tmp_path / "mine.safetensors").spec == spec_of("ritm_small")
    assert len(net.asked) == 1


def test_a_file_of_that_name_comes_first(net: FileServer, cfg: EasyDict, tmp_path: Path) -> None:
    mine = tmp_path / "weights/ritm_small.safetensors"
    mine.parent.mkdir()
    mine.write_bytes(b"mine")
    assert find_checkpoint(cfg, "ritm_small") == mine
    assert net.asked == []


def test_a_changed_file_is_not_used_under_its_published_name(net, cfg: EasyDict) -> None:
    path = find_checkpoint(cfg, "ritm_small")
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(IsegmError, match="is not the published file"):
        find_checkpoint(cfg, "ritm_small")
    assert find_checkpoint(cfg, path) == path


def test_one_fetched_by_hand_is_trusted_once(zoo, cfg: EasyDict, tmp_path: Path) -> None:
    zoo(checkpoints={"theirs": {"method": "X", "page": "https://x.example"}})
    with pytest.raises(IsegmError, match=r"get 'theirs.pth' at https://x.example, save it as"):
        find_checkpoint(cfg, "theirs")
    path = tmp_path / "weights/theirs.pth"
    path.parent.mkdir()
    path.write_bytes(b"first")
    assert find_checkpoint(cfg, "theirs") == path
    assert "theirs.pth" in json.loads((path.parent / RECORDS).read_text())
    path.write_bytes(b"later")
    with pytest.raises(IsegmError, match="is not the published file"):
        find_checkpoint(cfg, "theirs")


def test_a_typo_lists_starter_files_and_the_zoo(net, cfg: EasyDict, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/ritm_smell.pth").write_bytes(b"")
    with pytest.raises(IsegmError, match="did you mean ritm_smell or ritm_small"):
        find_checkpoint(cfg, "ritm_smoll")
    with pytest.raises(IsegmError, match="did you mean starter"):
        find_checkpoint(cfg, "startr")


def test_missing_backbones_name_the_command(net, cfg: EasyDict) -> None:
    cfg.PRETRAINED = {"SEGFORMER_B0": "weights/mit_b0.pth"}
    with pytest.raises(IsegmError, match="to get it: isegm download b0, or train from scratch"):
        pretrained_source("SEGFORMER_B0", cfg)
