"""What MkDocs needs to show the pages of docs/ as they are on GitHub.

Pages link to files of the repository: code, protocols, pictures. The site has to stand alone, so
every such file becomes a part of it, under ``source/`` (a page with the file's text) or
``assets/`` (a picture), and the links follow. Used by mkdocs.yml.
"""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
FENCED = re.compile(r"^( *)(`{3,}).*?^\1\2$", re.MULTILINE | re.DOTALL)
PICTURES = {".png", ".svg", ".gif", ".jpg"}
LANGUAGES = {".py": "python", ".yml": "yaml", ".sbatch": "bash", ".csv": "text", ".md": "markdown"}
HIDDEN = "---\nsearch:\n  exclude: true\nhide:\n  - toc\n---\n\n"


def outside(link: str, page: str) -> str | None:
    """The file of the repository that a link of docs/``page`` means; None if it lies in docs/."""
    if re.match(r"[a-z]+:", link) or link.startswith("/"):
        return None
    target = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), link))
    return None if target.startswith(("docs/", "..")) else target


def place(target: str) -> str:
    """Where a file or folder of the repository is on the site."""
    return target if Path(target).suffix in PICTURES else f"source/{target}.md"


def shown(target: str) -> str:
    """The page of a file or of a folder."""
    path = ROOT / target
    if path.is_dir():
        names = sorted(p.name for p in path.iterdir() if p.suffix in LANGUAGES)
        body = "\n".join(f"* `{name}`" for name in names if name != "__init__.py")
    else:
        text = path.read_text(encoding="utf-8")
        body = f"````{LANGUAGES.get(path.suffix, 'text')}\n{text.rstrip()}\n````"
    return f"{HIDDEN}# {target}\n\n{body}\n"


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add what the pages link to."""
    targets = set()
    for file in list(files.documentation_pages()):
        text = FENCED.sub("", file.content_string)
        targets |= {outside(link, file.src_uri) for _, link, _ in LINK.findall(text)}
    for target in sorted(targets - {None}):
        if not (ROOT / target).exists():
            raise FileNotFoundError(f"a page links to {target}, which is not in the repository")
        if Path(target).suffix in PICTURES:
            files.append(File.generated(config, target, abs_src_path=str(ROOT / target)))
        else:
            files.append(File.generated(config, place(target), content=shown(target)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links at where the files of the repository are on the site."""
    uri = page.file.src_uri
    if uri.startswith("source/"):
        return markdown
    kept: list[str] = []

    def keep(match: re.Match) -> str:
        kept.append(match[0])
        return f"\0{len(kept) - 1}\0"

    def moved(match: re.Match) -> str:
        if (target := outside(match[2], uri)) is None:
            return match[0]
        return match[1] + os.path.relpath(place(target), posixpath.dirname(uri) or ".") + match[3]

    text = LINK.sub(moved, FENCED.sub(keep, markdown))
    return re.sub(r"\0(\d+)\0", lambda match: kept[int(match[1])], text)
