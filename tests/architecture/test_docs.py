"""The documentation is a contract: no dead link, no page out of reach, no stale copy."""

from __future__ import annotations

import os
import posixpath
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

FENCED = re.compile(r"^( *)```.*?^\1```$", flags=re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\]\((?!\w+:)([^)\s]+)\)")


@pytest.fixture(scope="module")
def links(root: Path, tree: list[Path]) -> dict[Path, list[str]]:
    """Markdown file → the targets of its relative links, outside code; llms.txt is one too."""
    pages = [name for name in tree if name.suffix == ".md" or name.name == "llms.txt"]
    found = {}
    for name in pages:
        prose = INLINE_CODE.sub("", FENCED.sub("", (root / name).read_text(encoding="utf-8")))
        found[name] = LINK.findall(prose)
    return found


def _target(page: Path, link: str) -> Path | None:
    """The file that *link* on *page* means, relative to the root; None for a place on the same page."""
    path = link.partition("#")[0]
    return Path(posixpath.normpath(page.parent / path)) if path else None


def test_links_lead_to_files_of_the_project(root: Path, links: dict[Path, list[str]]) -> None:
    """Every relative link in every Markdown file leads to something that is there."""
    dead = [
        f"{page}: {link}"
        for page, targets in links.items()
        for link in targets
        if (target := _target(page, link)) is not None and not (root / target).exists()
    ]
    assert not dead, "\n".join(dead)


def test_pages_of_the_docs_link_inside_the_docs(links: dict[Path, list[str]]) -> None:
    """The docs are also published alone, as a site: a link out of the folder would be dead there."""
    outside = [
        f"{page}: {link}"
        for page, targets in links.items()
        if page.parts[0] == "docs"
        for link in targets
        if (target := _target(page, link)) is not None and target.parts[:1] != ("docs",)
    ]
    assert not outside, "\n".join(outside)


def test_every_page_can_be_reached(links: dict[Path, list[str]]) -> None:
    """From docs/index.md, link by link, a reader comes to every page of the docs."""
    reached: set[Path] = set()
    waiting = [Path("docs/index.md")]
    while waiting:
        page = waiting.pop()
        if page not in reached and page in links:
            reached.add(page)
            waiting += [target for link in links[page] if (target := _target(page, link)) is not None]
    lost = {page for page in links if page.parts[0] == "docs"} - reached
    assert not lost, f"no way from docs/index.md to {', '.join(sorted(map(str, lost)))}"


def test_every_page_has_front_matter(root: Path, tree: list[Path]) -> None:
    """A title at least, as YAML reads it: the sample project publishes every page."""
    pages = [name for name in tree if name.parts[0] == "docs" and name.suffix == ".md"]
    assert len(pages) > 30
    for name in pages:
        _, head, _ = (root / name).read_text(encoding="utf-8").split("---\n", 2)
        said = yaml.safe_load(head)
        assert isinstance(said, dict), name
        assert isinstance(said.get("title"), str), name
        assert isinstance(said.get("description", ""), str), name


def test_the_navigation_names_every_page(root: Path, tree: list[Path]) -> None:
    """index.md and the README.md of each folder list all pages between them, so Sphinx shows each once."""
    contents = runpy.run_path(str(root / "docs" / "conf.py"))["contents"]
    pages = [name.relative_to("docs") for name in tree if name.parts[0] == "docs" and name.suffix == ".md"]
    listed: list[Path] = []
    for page in pages:
        if page.name in {"index.md", "README.md"}:
            text = contents((root / "docs" / page).read_text(encoding="utf-8"))
            entries = [line for line in text.splitlines() if line and not line.startswith(("`", ":"))]
            listed += [page.parent / f"{entry}.md" for entry in entries]
    assert sorted(listed) == sorted(set(pages) - {Path("index.md")})


@pytest.mark.parametrize("script", ["errors", "configuration", "commands", "hooks"])
def test_generated_pages_are_current(script: str, root: Path) -> None:
    """What the scripts in docs/ write says what the code, and the pages of the codes, say."""
    command = [sys.executable, f"docs/{script}.py", "--check"]
    check = subprocess.run(
        command,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stdout + check.stderr


def test_a_stale_page_is_found(root: Path, tmp_path: Path) -> None:
    """The check bites: beside a page of another time the script says so."""
    (tmp_path / "docs" / "reference").mkdir(parents=True)
    (tmp_path / "docs" / "configuration.py").write_text((root / "docs" / "configuration.py").read_text())
    (tmp_path / "docs" / "reference" / "configuration.md").write_text("# Of yesterday")
    command = [sys.executable, str(tmp_path / "docs" / "configuration.py"), "--check"]
    environ = {**os.environ, "PYTHONPATH": str(root)}
    check = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert check.returncode == 1, check.stderr
    assert "docs/reference/configuration.md is out of date" in check.stdout
