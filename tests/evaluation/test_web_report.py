"""The report: its numbers are those of the result files, it asks no host, and it works in a
browser.
"""

from __future__ import annotations

import html
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from layouts import write

from isegm.cli.commands import run_command
from isegm.core.errors import IsegmError
from isegm.evaluation.judge import ObjectShape
from isegm.evaluation.ledger import published
from isegm.evaluation.metrics import read
from isegm.evaluation.report import lacking
from isegm.evaluation.results import DatasetResult, ObjectRecord, RunResult
from isegm.evaluation.statistics import interval
from isegm.evaluation.web_curves import Series, chart, sparkline
from isegm.evaluation.web_report import ReportSettings, page
from isegm.inference.protocol import load_protocol

CHROMIUM = next(
    (f for n in ("chromium", "chromium-browser", "google-chrome") if (f := shutil.which(n))), None
)


def run(model: str, shift: int = 0, name: str = "GrabCut", **changes: object) -> RunResult:
    """Twelve objects with curves of up to 20 clicks; ``shift`` more clicks until they are good."""
    rng = np.random.default_rng(5)
    records = []
    for i in range(12):
        needed = int(rng.integers(1, 15)) + shift
        curve = np.round(np.linspace(0.3, 0.91, needed) if needed > 1 else [0.93], 4)
        if i == 3:
            curve = np.full(20, 0.6)
        if i == 4 and needed > 2:
            curve[1] = 0.2
        ious = tuple(float(v) for v in curve)
        clicks = tuple((5 + i, 3 + k, k % 2) for k in range(len(ious)))
        shape = ObjectShape(0.01 * (i + 1) ** 1.5, 0.5 + 0.03 * i, 1 + i // 8)
        bious = tuple(v / 2 for v in ious)
        records.append(ObjectRecord(f"o{i}", clicks, ious, (0.1,) * len(ious), bious, shape))
    made = DatasetResult(name, "ab" * 32, tuple(records), (0.8, 0.85, 0.9), 20)
    identity = {"path": "model.pth", "sha256": "12" * 32, "mode": "NoBRS"}
    return RunResult.of(load_protocol("ritm"), identity, [replace(made, **changes)], model)


def numbers_in(text: str) -> dict[tuple[str, str], str]:
    """(run, metric) -> the whole cell of the tables of metrics, read from the HTML."""
    found = {}
    for body in re.findall(r'<table class="sortable metrics".*?</table>', text, re.DOTALL):
        metrics = [html.unescape(m) for m in re.findall(r'data-metric="([^"]+)"', body)]
        for name, row in re.findall(r'<tr data-run="([^"]+)">(.*?)</tr>', body, re.DOTALL):
            cells = re.findall(r"<td[^>]*>.*?</td>", row, re.DOTALL)[1:]
            assert len(cells) == len(metrics)
            found |= {(html.unescape(name), m): c for m, c in zip(metrics, cells, strict=True)}
    return found


def test_the_numbers_are_those_of_the_files(tmp_path: Path) -> None:
    runs = [run("mine"), run("A & <b>", 2)]
    for i, each in enumerate(runs):
        each.save(tmp_path / f"{i}.json")
    words = [str(tmp_path / "0.json"), str(tmp_path / "1.json"), "--html", str(tmp_path / "r.html")]
    assert run_command("report", words) == 0
    cells = numbers_in((tmp_path / "r.html").read_text())
    assert {name for name, _ in cells} == {"mine", "A & <b>"}
    for each, file in zip(runs, ("0.json", "1.json"), strict=True):
        stored = json.loads((tmp_path / file).read_text())["datasets"][0]["metrics"]
        for metric in ("NoC@80", "NoC@85", "NoC@90", "fail@90", ">=20@90", "mIoU@1", "AUC"):
            cell = cells[each.model_name, metric]
            assert float(re.search(r'data-value="([^"]+)"', cell)[1]) == pytest.approx(
                stored[metric], abs=1e-12
            )
            reading, around = read(metric), interval(each.datasets[0], metric)
            shown = [reading.shown(v) for v in (around.low, around.high)]
            assert f'">{reading.cell(stored[metric])}<' in cell
            assert " to ".join(shown) in cell
        assert lacking(each.datasets[0], "NoC@95")
    assert ("mine", "NoC@95") not in cells  # nobody has it


def test_the_page_stands_alone() -> None:
    text = page([run("mine"), run("other", 1)])
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
    assert not re.search(r"""(src|href)=["'](?!data:)""", text)
    assert not re.search(r"https?://", text)
    assert "<b>" not in page([run("<b>")]).split("</style>")[1].split("<h2>")[0]


def test_it_says_where_numbers_come_from() -> None:
    skipped = run("mine", skipped=(("o99", "it is damaged"),))
    text = page([skipped], ReportSettings(files=["a.json"]))
    for words in ("12" * 32, "ab" * 32, "ritm v1", "a.json", "o99 (it is damaged)", "NoBRS"):
        assert words in text
    other = replace(run("other"), protocol={"name": "fcanet", "version": 1})
    assert "different protocols in one column (ritm v1; fcanet v1)" in page([run("a"), other])


def test_runs_of_one_name_are_told_apart() -> None:
    other = replace(run("a"), protocol={"name": "fcanet", "version": 1})
    cells = numbers_in(page([run("a"), run("a", 1), other, run("b")]))
    names = {name for name, _ in cells}
    assert names == {"a, ritm v1 (1)", "a, ritm v1 (2)", "a, fcanet v1", "b"}


def test_runs_on_other_data_are_not_mixed() -> None:
    text = page([run("a"), run("b", fingerprint="cd" * 32), run("c", max_clicks=30)])
    assert len(re.findall('<table class="sortable metrics"', text)) == 3
    assert "Object by object" not in text


def test_kinds_of_objects_and_what_old_files_lack() -> None:
    text = page([run("mine")])
    rows = dict(re.findall(r'<tr><td>([^<]+)</td><td data-value="(\d+)">', text))
    areas = [0.01 * (i + 1) ** 1.5 for i in range(12)]
    assert int(rows["below 5 %"]) == sum(a < 0.05 for a in areas)
    assert int(rows["20 % and more"]) == sum(a >= 0.2 for a in areas)
    assert (int(rows["1"]), int(rows["2"])) == (8, 4)
    bare = run("old").datasets[0]
    bare = replace(bare, objects=tuple(replace(o, bious=(), shape=None) for o in bare.objects))
    old = page([replace(run("old"), datasets=(bare,))])
    assert "do not say what their objects are like" in old
    assert "boundary IoU (%)" not in old


def test_published_rows_stand_beside() -> None:
    rows = published(["RITM"])
    text = page([run("mine")], ReportSettings(published=rows))
    wanted = [r for r in rows if ("GrabCut", "NoC@90") in r.values]
    assert wanted
    for row in wanted:
        assert html.escape(row.name) in text
        assert f"{row.values['GrabCut', 'NoC@90']:.2f}" in text


def test_photographs_only_on_request(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Four images in a folder, judged, and shown again."""
    rng = np.random.default_rng(0)
    for i in range(4):
        mask = np.zeros((40, 60), np.uint8)
        mask[8 : 20 + i, 10:30] = 255
        write(tmp_path / f"images/{i}.png", rng.integers(0, 255, (40, 60, 3), dtype=np.uint8))
        write(tmp_path / f"masks/{i}.png", mask)
    folders = ["--image-dir", str(tmp_path / "images"), "--mask-dir", str(tmp_path / "masks")]
    file, out = str(tmp_path / "r.json"), tmp_path / "r.html"
    words = ["NoBRS", "--cpu", "--datasets", "folder", "--n-clicks", "2", "--save-json", file]
    assert run_command("evaluate", [*words, *folders]) == 0
    report = ["report", [file, "--html", str(out), *folders]]
    assert run_command(*report) == 0
    assert "data:image" not in out.read_text()
    report[1].append("--pictures")
    assert run_command(*report) == 0
    assert out.read_text().count("data:image/jpeg") == 4
    assert "mind their licenses" in capsys.readouterr().out
    (tmp_path / "images/0.png").write_bytes((tmp_path / "images/1.png").read_bytes() + b" ")
    assert run_command(*report) == 0  # other files now
    assert "the files of this machine are not those of the run" in out.read_text()
    shutil.rmtree(tmp_path / "images")
    assert run_command(*report) == 0
    assert "folder is not on the machine that wrote this page" in out.read_text()


def test_other_formats(tmp_path: Path) -> None:
    run("mine").save(tmp_path / "a.json")
    words = [str(tmp_path / "a.json")]
    for style in ("markdown", "csv", "latex"):
        words += [f"--{style}", str(tmp_path / style)]
    assert run_command("report", words) == 0
    noc = interval(run("mine").datasets[0], "NoC@90")
    cell = f"{noc.value:.2f} [{noc.low:.2f}, {noc.high:.2f}]"
    assert all(cell in (tmp_path / style).read_text() for style in ("markdown", "csv", "latex"))


def test_what_is_refused(tmp_path: Path) -> None:
    run("mine").save(tmp_path / "a.json")
    file = str(tmp_path / "a.json")
    assert run_command("report", [file]) == 2
    assert run_command("report", [str(tmp_path / "b.json"), "--html", str(tmp_path / "r")]) == 2
    with pytest.raises(IsegmError, match="unknown metric"):
        page([run("mine")], ReportSettings(metric="NoC"))
    with pytest.raises(IsegmError, match="at least one result file"):
        page([])


def test_curves_go_through_their_points() -> None:
    drawn = chart([Series("a <b>", np.array([0.5, 0.75, 1.0]))], "mean IoU (%)")
    (points,) = re.findall(r'polyline class="line c0" points="([^"]+)"', drawn)
    places = [tuple(map(float, p.split(","))) for p in points.split()]
    assert places == [(44.0, 260.0), (276.0, 135.0), (508.0, 10.0)]  # 50 to 100 %, clicks 1 to 3
    assert "a &lt;b&gt;" in drawn
    assert sparkline((0.5,), 20).count("circle") == 1


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
@pytest.mark.parametrize("width", [1280, 390])
def test_in_a_browser(tmp_path: Path, width: int) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    (tmp_path / "r.html").write_text(page([run("mine"), run("other", 2), run("third", -1)]))
    asked, said = [], []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": width, "height": 800})
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda message: said.append(message.text))
        tab.goto((tmp_path / "r.html").as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        table = tab.locator("table.metrics")
        head = table.locator("th[data-metric='NoC@90']")

        def order() -> list[str]:
            return [row.get_attribute("data-run") for row in table.locator("tr[data-run]").all()]

        assert order() == ["mine", "other", "third"]
        head.locator("button").click()
        assert order() == ["third", "mine", "other"]
        head.locator("button").click()
        assert order() == ["other", "mine", "third"]
        assert head.get_attribute("aria-sort") == "descending"
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert said == []


def test_two_runs_on_a_single_photograph(tmp_path: Path) -> None:
    """No interval can be made, but the page can."""
    runs = []
    for name, shift in (("mine", 0), ("other", 2)):
        whole = run(name, shift)
        (data,) = whole.datasets
        alone = replace(data, objects=tuple(replace(o, picture="one") for o in data.objects))
        runs.append(replace(whole, datasets=(alone,)))
    for i, each in enumerate(runs):
        each.save(tmp_path / f"{i}.json")
    words = [str(tmp_path / "0.json"), str(tmp_path / "1.json"), "--html", str(tmp_path / "r.html")]
    assert run_command("report", words) == 0
    text = (tmp_path / "r.html").read_text()
    assert "Worst" in text
    assert "Most different" not in text
