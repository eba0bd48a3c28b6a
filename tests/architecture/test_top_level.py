"""The first folder that a newcomer sees holds what it must, and nothing else."""

from __future__ import annotations

from pathlib import Path

FOLDERS = {"jobkit", "hooks", "sample_project", "tests", "docs", "changelog.d"}
FILES = {"pyproject.toml", "noxfile.py", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"}
FILES |= {"LICENSE", "llms.txt", "uv.lock"}


def test_nothing_stray_at_the_top(tree: list[Path]) -> None:
    """At the top stand the known folders and files, and dotfiles."""
    tops = {(name.parts[0], len(name.parts) > 1) for name in tree}
    stray = [top for top, folder in tops if top not in (FOLDERS if folder else FILES) and top[0] != "."]
    assert not stray


def test_what_a_newcomer_looks_for_is_there(tree: list[Path]) -> None:
    """README, licence, how to contribute, what changed, how to report a hole."""
    wanted = {"README.md", "LICENSE", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "llms.txt"}
    assert wanted <= {name.name for name in tree if len(name.parts) == 1}
