"""The site of the documentation: it builds without a warning, and asks no other host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from isegm.utils.config import REPOSITORY

pytest.importorskip("mkdocs")
pytest.importorskip("material")

LOADING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # an advertisement of Material's
    done = subprocess.run(
        words, cwd=REPOSITORY, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


class Addresses(HTMLParser):
    """What a page loads, and what it links to."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: set[str] = set()
        self.linked: set[str] = set()
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids.add(values.get("id") or "")
        if tag in LOADING and values.get(LOADING[tag]):
            self.loaded.add(values[LOADING[tag]] or "")
        if tag == "a" and values.get("href"):
            self.linked.add(values["href"] or "")


def read(page: Path) -> Addresses:
    addresses = Addresses()
    addresses.feed(page.read_text(encoding="utf-8"))
    return addresses


def test_the_site_loads_nothing_from_other_hosts(site: Path) -> None:
    for page in site.rglob("*.html"):
        if page.name != "404.html":
            for address in read(page).loaded:
                assert not re.match(r"(https?:)?//", address), f"{page}: {address}"
                path = address.partition("?")[0].partition("#")[0]
                assert (page.parent / path).exists(), f"{page}: {address}"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(https?:)?//", style.read_text(encoding="utf-8"))


def test_every_link_of_the_site_leads_somewhere(site: Path) -> None:
    pages = {page.resolve(): read(page) for page in site.rglob("*.html")}
    for page, addresses in pages.items():
        if page.name == "404.html":
            continue
        for address in addresses.linked:
            if re.match(r"(https?|mailto):", address):
                continue
            path, _, anchor = address.partition("#")
            target = (page.parent / path).resolve() if path else page
            target = target / "index.html" if target.is_dir() else target
            assert target.exists(), f"{page}: {address}"
            if anchor and target in pages and not anchor.startswith("__"):
                assert anchor in pages[target].ids, f"{page}: {address}"


def test_every_page_is_in_the_navigation_once() -> None:
    text = (REPOSITORY / "mkdocs.yml").read_text()
    nav = yaml.safe_load(text[text.index("\nnav:") :])["nav"]

    def pages(entry: object) -> list[str]:
        if isinstance(entry, str):
            return [entry]
        parts = entry if isinstance(entry, list) else list(entry.values())
        return [name for part in parts for name in pages(part)]

    docs = REPOSITORY / "docs"
    assert sorted(pages(nav)) == sorted(str(p.relative_to(docs)) for p in docs.rglob("*.md"))
