"""View rules by name and settings: what a protocol file may say, and what the rules declare."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.core.rounds import Session
from isegm.inference.protocol import Protocol, load_protocol
from isegm.inference.sizes import fixed_size, with_crops
from isegm.inference.views.base import RULES
from isegm.inference.views.whole_image import WholeImage
from isegm.inference.views.zoom_in import NEVER, ZoomIn


def read(folder: Path, text: str) -> Protocol:
    (folder / "p.yml").write_text(f"name: p\nversion: 1\n{text}\n")
    return load_protocol(str(folder / "p.yml"))


def test_every_file_is_a_rule_that_works_without_settings() -> None:
    session = Session(torch.zeros(1, 3, 30, 40), torch.zeros(1, 1, 30, 40))
    assert {"whole_image", "zoom_in"} <= set(RULES.names())
    for name in RULES.names():
        rule = RULES.make({"rule": name})
        assert rule.view(session, [Click(3, 4, True)]).source == (0, 0, 30, 40)
        assert rule.adjusted({c.name: c.default for c in rule.controls()}) is not None


def test_a_protocol_makes_its_rule(tmp_path: Path) -> None:
    made = read(tmp_path, "view: {rule: zoom_in, size: [96, 128], skip_clicks: -1}")
    assert made.rule == ZoomIn(size=(96, 128), skip_clicks=-1)
    assert read(tmp_path, "view: {rule: whole_image}").rule == WholeImage()
    assert read(tmp_path, "").rule == ZoomIn()
    narrowed = read(tmp_path, "datasets: {DAVIS: {view: {size: 600}}}").for_dataset("DAVIS")
    assert narrowed.rule == ZoomIn(size=600)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("view: {rule: zoom}", "unknown view rule 'zoom'; did you mean zoom_in"),
        ("view: {rule: zoom_in, sise: 4}", "view rule zoom_in 'sise'; did you mean size"),
        ("view: {rule: whole_image, skip_clicks: 1}", "skip_clicks belongs to zoom_in"),
        ("view: {size: 400}", "names no view rule: expected e.g. {rule:"),
        ("view: zoom_in", "names no view rule"),
        ("view: null", "names no view rule"),
        ("zoom: {size: 400}", "unknown key in .* 'zoom'"),
        ("datasets: {DAVIS: {view: {sise: 4}}}", "did you mean size"),
        ("datasets: {DAVIS: {view: {rule: whole_image}}}", "view has the rule 'whole_image'"),
        ("datasets: {DAVIS: {view: null}}", "DAVIS: view is None; expected settings"),
        ("datasets: {DAVIS: {user: {name: other}}}", "DAVIS: user has the name 'other'"),
        ("user: [centre]", "expected a name, or {name: centre"),
        ("view: {rule: zoom_in, size: large}", "size is 'large'; expected pixels, e.g. 400"),
        ("view: {rule: whole_image, as_bytes: true}", "as_bytes needs aligned: false"),
        ("view: {rule: whole_image, size: [1, 2, 3]}", "size is \\(1, 2, 3\\); expected pixels"),
        ("datasets: {DAVIS: 600}", "expected settings by data set name"),
        ("sizes: {cvpr: 400}", "expected pixels under 'others'"),
        ("sizes: {cvpr: {DAVIS: 400}}", "expected pixels under 'others'"),
    ],
)
def test_what_a_protocol_must_not_say(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(IsegmError, match=message) as raised:
        read(tmp_path, text)
    assert "p.yml" in str(raised.value)


def test_another_rule_stands_in_the_label() -> None:
    ritm = load_protocol("ritm")
    whole = ritm.changed(view={"rule": "whole_image", "size": 384})
    assert whole.label == "ritm v1 (view=whole_image(size=384))"
    assert whole.for_dataset("DAVIS").rule == WholeImage(size=384)
    assert ritm.changed(view={**ritm.view, "size": 300}).label == "ritm v1 (zoom.size=300)"
    assert ritm.changed(view=dict(ritm.view)).label == "ritm v1"


def test_sizes_by_name(tmp_path: Path) -> None:
    text = "sizes: {small: {others: 200, DAVIS: 300}, same: {others: 400}}\n"
    made = read(tmp_path, text + "view: {rule: whole_image, size: 400, multiple: 4}")
    assert fixed_size(made, "same") == fixed_size(made, "cvpr") == made
    small = fixed_size(made, "small")
    assert small.label == "p v1 (whole.size=200)"
    sizes = {d: small.for_dataset(d).rule for d in ("SBD", "DAVIS")}
    assert sizes["SBD"] == WholeImage(size=200, multiple=4)
    assert sizes["DAVIS"] == WholeImage(size=300, multiple=4)
    text = "sizes: {s: {others: 400, DAVIS: 9}}\n"
    only_davis = read(tmp_path, text + "view: {rule: whole_image, size: 400}")
    assert fixed_size(only_davis, "s").label == "p v1 (sizes=s)"
    with pytest.raises(IsegmError, match="expected cvpr, small, same, fixedN"):
        fixed_size(made, "smal")


def test_flags_mean_what_the_rule_makes_of_them() -> None:
    zoom, whole = Protocol("z", 1), Protocol("w", 1, view={"rule": "whole_image"})
    assert fixed_size(zoom, "fixed96").rule == ZoomIn(size=(96, 96), skip_clicks=-1)
    assert fixed_size(whole, "fixed96,64").rule == WholeImage(size=(96, 64))
    assert with_crops(zoom, infer_size=96).rule == ZoomIn(size=(96, 96))
    assert with_crops(whole, infer_size=96).rule == WholeImage(size=96)
    assert with_crops(zoom, target_crop=2).rule == ZoomIn(expansion=2)
    with pytest.raises(IsegmError, match="WholeImage has no setting for a crop around the object"):
        with_crops(whole, target_crop=2)
    with pytest.raises(IsegmError, match="protocol z has no refine section"):
        with_crops(zoom, focus_crop=2)


def test_a_zoom_in_that_never_crops_shows_whole_images() -> None:
    prob = torch.zeros(1, 1, 300, 400)
    prob[..., 100:120, 100:130] = 1
    answered = Session(torch.zeros(1, 3, 300, 400), prob, view=(0, 0, 300, 400))
    two = [Click(110, 110, True), Click(5, 5, False)]
    defaults = {c.name: c.default for c in ZoomIn().controls()}
    off = ZoomIn().adjusted({**defaults, "zoom_in": False, "max_size": 200})
    assert (off.skip_clicks, off.max_size) == (NEVER, 200)
    assert off.view(answered, two) == WholeImage(max_size=200).view(answered, two)
    assert ZoomIn().adjusted(defaults).view(answered, two) == ZoomIn().view(answered, two)
    assert ZoomIn().view(answered, two).size != off.view(answered, two).size
