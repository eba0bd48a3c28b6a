"""The command line as a fixture: in a project, and anywhere else."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree

import pytest

from tests.cli.harness import CommandLine
from tests.cli.shop import make_shop


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


@pytest.fixture(scope="session")
def shops(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """The project with a past, with broken files (True) and without: made once, to be copied."""
    folders = {}
    for broken in (True, False):
        folders[broken] = tmp_path_factory.mktemp("shop")
        make_shop(folders[broken], broken=broken)
    return folders


@pytest.fixture
def shop(cli: CommandLine, shops: dict[bool, Path]) -> CommandLine:
    """The project with a past, and two broken files."""
    copytree(shops[True], cli.root, dirs_exist_ok=True)
    return cli


@pytest.fixture
def sound_shop(cli: CommandLine, shops: dict[bool, Path]) -> CommandLine:
    """The project with a past, and nothing wrong with it."""
    copytree(shops[False], cli.root, dirs_exist_ok=True)
    return cli
