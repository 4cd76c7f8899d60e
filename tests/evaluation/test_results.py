"""Result files, tables and protocols."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.axes import Axes

from isegm.core.errors import IsegmError
from isegm.evaluation.report import curve_picture, table
from isegm.evaluation.results import DatasetResult, ObjectRecord, RunResult
from isegm.inference.protocol import known_protocols, load_protocol
from isegm.inference.sizes import fixed_size, with_crops


def result(
    name: str = "GrabCut", fingerprint: str = "ab" * 32, ious: tuple[float, ...] = (0.5, 0.92)
) -> DatasetResult:
    clicks = tuple((i, i + 1, 1) for i in range(len(ious)))
    records = [ObjectRecord(name, clicks, ious, (0.1,) * len(ious)) for name in ("one", "two")]
    seconds = {"model": 1.0, "simulation": 0.1, "io": 0.2, "wall": 1.2}
    return DatasetResult(
        name, fingerprint, tuple(records), (0.8, 0.85, 0.9), 20, seconds, (("bad", "unreadable"),)
    )


def run(model: str, *datasets: DatasetResult) -> RunResult:
    return RunResult.of(
        load_protocol("ritm"), {"path": "model.pth", "sha256": "12" * 32}, datasets, model
    )


def test_a_result_file_gives_back_what_was_written(tmp_path: Path) -> None:
    written = run("mine", result())
    written.save(tmp_path / "sub" / "a.json")
    assert RunResult.load(tmp_path / "sub" / "a.json") == written
    data = json.loads((tmp_path / "sub" / "a.json").read_text())
    assert data["schema"] == 1
    assert data["protocol"]["name"] == "ritm"
    assert data["protocol"]["version"] == 1
    assert set(data["datasets"][0]) >= {
        "name",
        "fingerprint",
        "size",
        "metrics",
        "seconds",
        "objects",
    }
    assert set(data["datasets"][0]["objects"][0]) == {"id", "clicks", "ious", "seconds"}
    assert data["datasets"][0]["metrics"]["NoC@90"] == 2
    assert not list(tmp_path.glob("**/*.partial"))


@pytest.mark.parametrize(
    "content", ["", "[]", '{"schema": 1}', '{"schema": 99}', '{"schema": 1, "datasets": 3}']
)
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(IsegmError, match=r"a\.json"):
        RunResult.load(tmp_path / "a.json")
    with pytest.raises(IsegmError, match="no result file"):
        RunResult.load(tmp_path / "missing.json")


def _edited(data: dict, place: str, value: object) -> dict:
    """A result file's content with another value at a place such as ``datasets.0.name``."""
    *way, last = place.split(".")
    part = data
    for step in way:
        part = part[int(step) if step.isdigit() else step]
    part[int(last) if last.isdigit() else last] = value
    return data


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("datasets.0.objects.1.ious.0", float("nan"), r"objects\.1\.ious\.0: .* finite"),
        ("datasets.0.objects.1.ious.0", 5.0, r"ious\.0: .*less than or equal to 1, got 5\.0"),
        ("datasets.0.objects.1.ious.0", -1, r"ious\.0: .*greater than or equal to 0"),
        ("datasets.0.objects.1.ious.0", "0.5", r"ious\.0: .*valid number, got '0\.5'"),
        ("datasets.0.objects.1.ious", [0.5, 0.6, 0.7], "3 ious for 2 clicks"),
        ("datasets.0.objects.1.clicks", [], "at least 1 item"),
        ("datasets.0.objects.1.clicks.0", [1, 2], "at least 3 items"),
        ("datasets.0.objects.1.clicks.0", [1, 2, 7], "label, 1 or 0"),
        ("datasets.0.objects.1.seconds", None, "seconds: .* valid list"),
        ("datasets.0.objects.1.undone", [2], "undone names a click"),
        ("datasets.0.objects.1.shape", {"area": 0.1}, "thinness: Field required"),
        ("datasets.0.objects.1.id", "one", "stand here more than once, e.g. 'one'"),
        ("datasets.0.objects", [], "at least 1 item"),
        ("datasets.0.objects.1", None, "objects\\.1"),
        ("datasets.0.size", 3, "size is 3, but there are 2 objects"),
        ("datasets.0.thresholds", [], "at least 1 item"),
        ("datasets.0.max_clicks", "20", "max_clicks"),
        ("datasets.0.skipped", [["a"]], "at least 2 items"),
        ("datasets.0.seconds", [], "seconds"),
        ("datasets", {}, "datasets"),
        ("protocol", "ritm", "protocol"),
        ("protocol.name", None, "protocol.name"),
        ("checkpoint", None, "checkpoint"),
        ("environment", {"torch": 2}, "environment.torch"),
        ("model_name", 3, "model_name"),
        ("schema", None, "has result schema None"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(
    tmp_path: Path, place: str, value: object, message: str
) -> None:
    run("mine", result()).save(tmp_path / "a.json")
    data = _edited(json.loads((tmp_path / "a.json").read_text()), place, value)
    (tmp_path / "a.json").write_text(json.dumps(data))
    with pytest.raises(IsegmError, match=message):
        RunResult.load(tmp_path / "a.json")


def test_files_of_earlier_versions_are_read(tmp_path: Path) -> None:
    run("mine", result()).save(tmp_path / "a.json")
    data = json.loads((tmp_path / "a.json").read_text())
    for name in ("model_name", "protocol.changes", "datasets.0.size"):
        *way, last = name.split(".")
        part = data
        for step in way:
            part = part[int(step) if step.isdigit() else step]
        del part[last]
    (tmp_path / "a.json").write_text(json.dumps(data))
    assert len(RunResult.load(tmp_path / "a.json").datasets[0].objects) == 2


@pytest.mark.parametrize("content", [b"\xff\xfe{}", b"[" * 100_000, b"{"])
def test_bytes_that_are_no_json_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(IsegmError, match=r"a\.json is no result file"):
        RunResult.load(tmp_path / "a.json")
    with pytest.raises(IsegmError, match="cannot be read"):
        RunResult.load(tmp_path)


def test_tables_in_every_format(tmp_path: Path) -> None:
    runs = [run("first", result(), result("Berkeley")), run("second", result(ious=(0.95,)))]
    text = table(runs)
    lines = text.splitlines()
    assert lines[0].split("|")[3].strip() == "GrabCut NoC@85"
    assert [c.strip() for c in lines[2].split("|")[1:6]] == [
        "first",
        "ritm v1",
        "2.00",
        "2.00",
        "0",
    ]
    assert lines[3].split("|")[6].strip() == "-"
    assert "data abababab, 1 skipped" in text
    assert table(runs, ["mIoU@1"], "csv").splitlines()[1] == "first,ritm v1,50.0,50.0"
    latex = table(runs, [">=20@90"], "latex")
    assert r"GrabCut $\geq$20@90" in latex
    assert latex.count(r"\hline") == 3
    with pytest.raises(IsegmError, match="did you mean latex"):
        table(runs, style="latx")


def test_other_data_of_the_same_name_stands_in_its_own_column() -> None:
    header = table(
        [run("a", result()), run("b", result(fingerprint="cd" * 32))], ["NoC@90"]
    ).splitlines()[0]
    assert "GrabCut (2 objects, ababab) NoC@90" in header
    assert "GrabCut (2 objects, cdcdcd) NoC@90" in header


def test_a_column_of_several_protocols_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fair, own = run("ritm", result(), result("Berkeley")), run("fcfi", result())
    own = replace(own, protocol={"name": "fcfi_r101", "version": 1})
    text = table([fair, own])
    assert "- GrabCut: **different protocols in one column** (ritm v1; fcfi_r101 v1)" in text
    assert "- Berkeley: **" not in text
    assert "different protocols" not in table([fair, fair])
    assert [line.split(",")[1] for line in table([fair, own], style="csv").splitlines()[1:]] == [
        "ritm v1",
        "fcfi_r101 v1",
    ]
    labels, plot = [], Axes.plot
    monkeypatch.setattr(
        Axes,
        "plot",
        lambda *given, **options: labels.append(options["label"]) or plot(*given, **options),
    )
    curve_picture([fair, own], tmp_path / "curves.png")
    assert labels[:2] == ["ritm, ritm v1", "fcfi, fcfi_r101 v1"]


def test_the_curve_is_drawn(tmp_path: Path) -> None:
    curve_picture([run("a", result(), result("Berkeley"))], tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 5000


@pytest.mark.parametrize("name", known_protocols())
def test_every_protocol_file_loads_and_names_itself(name: str) -> None:
    protocol = load_protocol(name)
    assert protocol.name == name
    assert protocol.source
    for dataset in ("GrabCut", *protocol.datasets):
        narrowed = protocol.for_dataset(dataset)
        assert narrowed.rule.noted_as in (
            "zoom",
            "whole",
        )  # labels in result files have these names


def test_ritm_zooms_larger_on_davis() -> None:
    protocol = load_protocol("ritm")
    assert protocol.for_dataset("DAVIS").view["size"] == 600
    assert protocol.for_dataset("GrabCut").view["size"] == 400
    assert protocol.for_dataset("DAVIS").view["min_crop"] == 200


def test_changes_stand_in_the_label() -> None:
    protocol = load_protocol("ritm")
    assert protocol.label == "ritm v1"
    assert protocol.changed(stop_iou=0.9).label == "ritm v1"
    assert (
        protocol.changed(stop_iou=0.95, mirror=False).label
        == "ritm v1 (stop_iou=0.95, mirror=False)"
    )
    fixed = fixed_size(protocol, "fixed448")
    assert fixed.for_dataset("DAVIS").view["size"] == [448, 448]
    assert fixed.label != protocol.label
    assert fixed_size(protocol, "fixed320,480").view["size"] == [320, 480]


def test_a_changed_entry_leaves_the_others_of_a_data_set() -> None:
    wide = with_crops(load_protocol("ritm"), target_crop=1.6)
    assert wide.for_dataset("DAVIS").view == {
        **load_protocol("ritm").for_dataset("DAVIS").view,
        "expansion": 1.6,
    }
    assert wide.label == "ritm v1 (zoom.expansion=1.6)"
    same = with_crops(
        load_protocol("fcfi_r101"), target_crop=3.0
    )  # its default, but not what GrabCut has
    assert same.for_dataset("GrabCut").view["expansion"] == 3.0
    assert same.for_dataset("GrabCut").view["size"] == 600
    assert same.label == "fcfi_r101 v1 (zoom.expansion=3.0)"
    assert with_crops(load_protocol("ritm"), target_crop=1.4) == load_protocol("ritm")


@pytest.mark.parametrize("text", ["", "[1, 2]", "name: p", "name: [p", "\0"])
def test_files_that_are_no_protocol_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.yml").write_text(text)
    with pytest.raises(IsegmError, match=r"p\.yml (is no protocol|cannot be read as YAML)"):
        load_protocol(str(tmp_path / "p.yml"))


def test_bad_protocols_are_explained(tmp_path: Path) -> None:
    with pytest.raises(IsegmError, match="did you mean ritm"):
        load_protocol("ritmm")
    for mode in ("fixed", "fixedx", "fixed0", "cvprr", "fixed1,2,3"):
        with pytest.raises(IsegmError, match="expected cvpr, fixedN"):
            fixed_size(load_protocol("ritm"), mode)
    (tmp_path / "p.yml").write_text("name: p\nversion: 1\nstop_iuo: 0.9\n")
    with pytest.raises(IsegmError, match="did you mean stop_iou"):
        load_protocol(str(tmp_path / "p.yml"))
    (tmp_path / "p.yml").write_text("name: p\nversion: 1\nview: {rule: zoom_in, sise: 400}\n")
    with pytest.raises(IsegmError, match="did you mean size"):
        load_protocol(str(tmp_path / "p.yml"))
