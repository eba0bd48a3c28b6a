"""The command line as a fixture: in a project, and anywhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.harness import CommandLine


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing about the terminal that runs the tests reaches the commands under test."""
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TERM", "PYTHONIOENCODING"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line in an empty folder that is no project."""
    return CommandLine(tmp_path, monkeypatch)


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line in an empty project."""
    root = tmp_path / "shop"
    root.mkdir()
    (root / "jobkit.toml").write_text('[project]\nname = "shop"\n', encoding="utf-8")
    return CommandLine(root, monkeypatch)
