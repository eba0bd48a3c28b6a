"""How Sphinx reads these pages: Markdown through MyST, dressed by Furo.

The pages are plain Markdown that GitHub and the sample project read as well, so they hold no
directives. The contents come from the pages' own links: what ``index.md`` links to, in that order
and below its headings, is the navigation; a ``README.md`` does the same for its folder.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

DOCS = Path(__file__).parent

project = "jobkit"
project_copyright = "the jobkit authors"
release = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
nitpicky = True
myst_heading_anchors = 4

html_theme = "furo"
html_title = "jobkit"
html_copy_source = False

_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?P<page>[^)#:]+\.md)\)")
_HEADING = re.compile(r"^## (?P<words>.*)$")


def contents(page: str) -> str:
    """The table of contents that the links on *page* make, as hidden MyST directives."""
    sections: dict[str, list[str]] = {"": []}
    caption = ""
    seen: set[str] = set()
    for line in _FENCED.sub("", page).splitlines():
        if (heading := _HEADING.match(line)) is not None:
            caption = heading["words"]
        for link in _LINK.finditer(line):
            target = str(PurePosixPath(link["page"]).with_suffix(""))
            if not target.startswith("../") and target not in seen:
                seen.add(target)
                sections.setdefault(caption, []).append(target)
    return "".join(_toctree(name, targets) for name, targets in sections.items() if targets)


def _toctree(caption: str, targets: list[str]) -> str:
    option = f":caption: {caption}\n" if caption else ""
    return "\n```{toctree}\n:hidden:\n" + option + "\n" + "\n".join(targets) + "\n```\n"


def add_contents(_app: Any, docname: str, source: list[str]) -> None:
    """Give the pages that list others their place in the navigation."""
    if PurePosixPath(docname).name in {"index", "README"}:
        source[0] += contents(source[0])


def setup(app: Any) -> dict[str, bool]:
    """Sphinx calls this when it has read the file."""
    app.connect("source-read", add_contents)
    return {"parallel_read_safe": True}
