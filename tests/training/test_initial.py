from __future__ import annotations

from pathlib import Path

import pytest
from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.training.initial import pretrained_source


@pytest.fixture
def cfg(tmp_path: Path) -> EasyDict:
    (tmp_path / "there.pth").touch()
    known = {"THERE": "there.pth", "GONE": "gone.pth", "FETCHED": "hub:resnet34.gluon_in1k"}
    return EasyDict(PRETRAINED=known, config_path=str(tmp_path / "config.yml"))


def test_names_files_and_the_hub(cfg: EasyDict, tmp_path: Path) -> None:
    file = str(tmp_path / "there.pth")
    assert pretrained_source("THERE", cfg) == file
    assert pretrained_source(file, cfg) == file
    assert pretrained_source("FETCHED", cfg) == "hub:resnet34.gluon_in1k"
    assert pretrained_source("hub:resnet18", cfg) == "hub:resnet18"


@pytest.mark.parametrize(
    ("name", "message"),
    [("TERE", "did you mean THERE"), ("GONE", "does not exist; put the file there")],
)
def test_what_is_not_there_is_one_clear_error(cfg: EasyDict, name: str, message: str) -> None:
    with pytest.raises(IsegmError, match=message):
        pretrained_source(name, cfg)
