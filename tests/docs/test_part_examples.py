"""The examples of the pages on adding a view rule and a user, added to the package and used."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from painted import Listed
from probe import ProbeNet, probe_gt, probe_image

from isegm.core.boxes import Box
from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.registry import build
from isegm.core.samples import Sample
from isegm.evaluation.evaluate import evaluate
from isegm.evaluation.lockstep import Clock, LockStep, LockStepSettings
from isegm.inference.protocol import Protocol, load_protocol
from isegm.inference.settings import Answering
from isegm.inference.sizes import fixed_size, with_crops
from isegm.methods.checkpoints import save_model
from isegm.methods.ritm import ritm_hrnet
from isegm.reference.evaluation_loop import play_sequentially
from isegm.utils.config import REPOSITORY

FILE = re.compile(r"<!-- file: (\S+) -->\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
YAML = re.compile(r"<!-- protocol -->\n```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RULE_PAGE, USER_PAGE = "docs/how-to/add_a_view_rule.md", "docs/how-to/add_a_user.md"


def example(page: str) -> tuple[Path, str, str]:
    """The file of a page's example, its content, and the protocol that uses it."""
    text = (REPOSITORY / page).read_text()
    ((file, source),) = FILE.findall(text)
    (protocol,) = YAML.findall(text)
    return Path(file), source, protocol


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Add a page's example to its package for one test; gives its protocol."""

    def add(page: str) -> Protocol:
        file, source, protocol = example(page)
        (tmp_path / file.name).write_text(source)
        (tmp_path / "example.yml").write_text(protocol)
        package = importlib.import_module(".".join(file.parent.parts))
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
        monkeypatch.delitem(sys.modules, f"{package.__name__}.{file.stem}", raising=False)
        return load_protocol(str(tmp_path / "example.yml"))

    return add


def objects(count: int = 4) -> Listed:
    cuts = [np.s_[: 240 - 20 * i, : 320 - 10 * i] for i in range(count)]
    image, gt = probe_image(), probe_gt(False)
    return Listed([Sample(image[c].copy(), gt[c].copy(), f"sample{i}") for i, c in enumerate(cuts)])


def clicks(records) -> list[tuple]:
    return [record.clicks for record in records]


def test_the_example_view_rule_crops_squares(added) -> None:
    rule = added(RULE_PAGE).rule
    predictor = load_protocol("ritm").predictor(ProbeNet(True), rule)
    session = predictor.start(probe_image())
    assert rule.view(session, [Click(10, 10, True)]).source == Box(0, 0, 240, 320)
    prob = torch.zeros(1, 1, 240, 320)
    prob[..., 100:140, 100:120] = 1
    session = replace(session, prob=prob, view=Box(0, 0, 240, 320))
    view = rule.view(session, [Click(110, 110, True)])
    assert (view.source, view.target, view.size) == (Box(92, 82, 148, 138), view.source, (256, 256))
    wide = rule.view(session, [Click(110, 110, True), Click(110, 0, False)]).source
    assert wide == Box(36, 0, 204, 168)


def test_the_example_view_rule_is_used_everywhere(added) -> None:
    protocol = added(RULE_PAGE).changed(max_clicks=3)
    assert protocol.for_dataset("DAVIS").rule.size == 384
    smaller = with_crops(protocol, infer_size=96, target_crop=2)
    assert smaller.changes[1:] == ("view.size=96", "view.expansion=2")
    assert smaller.for_dataset("DAVIS").rule.size == 96
    with pytest.raises(IsegmError, match="SquareCrop has no setting for a fixed size"):
        fixed_size(protocol, "fixed64")
    predictor, data = smaller.predictor(ProbeNet(True)), objects(2)
    slow = partial(play_sequentially, predictor, data, smaller)
    found = evaluate(predictor, data, smaller).objects
    assert clicks(found) == clicks(evaluate(predictor, data, smaller, player=slow).objects)
    answering = Answering(ProbeNet(True), smaller)
    assert {"size", "expansion"} <= set(answering.controls)
    assert answering.predictor(answering.checked({"size": 64})).rule.size == 64


def test_the_example_user_repeats_exactly(added) -> None:
    """Whatever the order, the batch, the process or the loop."""
    protocol = replace(added(USER_PAGE), max_clicks=4)
    assert protocol.label == "ritm_anywhere v1"
    predictor, data = protocol.predictor(ProbeNet(True), max_pixels=10**7), objects()
    alone = LockStepSettings(window=1)
    expected = clicks(evaluate(predictor, data, protocol, settings=alone).objects)
    wide = LockStepSettings(window=4, threads=3, passes=2)
    assert clicks(evaluate(predictor, data, protocol, settings=wide).objects) == expected
    slow = partial(play_sequentially, predictor, data, protocol)
    assert clicks(evaluate(predictor, data, protocol, player=slow).objects) == expected
    shard = dict(LockStep(predictor, data, protocol, Clock()).run([3, 1]))
    assert [shard[i].clicks for i in (1, 3)] == [expected[i] for i in (1, 3)]


def test_the_example_user_follows_its_seed(added) -> None:
    protocol = replace(added(USER_PAGE), max_clicks=2)
    other = protocol.with_entries("user", seed=4)
    assert other.label == "ritm_anywhere v1 (user.seed=4)"
    predictor, data = protocol.predictor(ProbeNet(True)), objects()
    one, two = (clicks(evaluate(predictor, data, p).objects) for p in (protocol, other))
    assert one != two
    assert len({record[0] for record in one}) > 1  # objects draw numbers of their own


def test_a_user_is_one_new_file(tmp_path: Path) -> None:
    """A copy of the package with nothing but the example's file added evaluates with it."""
    for folder in ("isegm", "configs", "scripts"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / folder, tmp_path / folder, ignore=ignored)
    shutil.copy(REPOSITORY / "config.yml", tmp_path)
    file, source, protocol = example(USER_PAGE)
    (tmp_path / file).write_text(source)
    (tmp_path / "anywhere.yml").write_text(protocol)
    described = ritm_hrnet(width=8, depth="tiny", ocr_width=16)
    torch.manual_seed(0)
    save_model(tmp_path / "tiny.safetensors", build(described), described)
    command = "scripts/evaluate_model.py NoBRS --checkpoint tiny.safetensors --datasets synthetic"
    flags = "--limit 2 --n-clicks 2 --protocol anywhere.yml --cpu --save-json out.json"
    done = subprocess.run(
        [sys.executable, *command.split(), *flags.split()],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["protocol"]["name"] == "ritm_anywhere"
    assert len(written["datasets"][0]["objects"][0]["clicks"]) == 2
