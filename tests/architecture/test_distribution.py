"""What pip installs, and what a source distribution holds."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def built(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source distribution of this tree."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder), "-t", "sdist", "-t", "wheel"]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    return folder


def test_the_wheel_holds_the_package_and_nothing_else(built: Path, root: Path) -> None:
    """Everything in jobkit/ that is not a cache travels: code, types marker, pages, migrations."""
    [wheel] = built.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    package = {
        path.relative_to(root).as_posix()
        for path in (root / "jobkit").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == package
    assert {"jobkit/py.typed", "jobkit/codes/JK101.md"} <= names
    assert any(name.endswith(".sql") for name in names)


def test_the_source_distribution_holds_the_project(built: Path, tree: list[Path]) -> None:
    """It holds what the project tracks, without the dotfiles, and adds only what describes it."""
    [archive] = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {Path(*Path(name).parts[1:]) for name in tar.getnames()}
    own = {name for name in tree if not name.parts[0].startswith(".") and name.name != "uv.lock"}
    assert names - own <= {Path("PKG-INFO"), Path(".gitignore")}
    assert own - names == set()


@pytest.mark.slow
def test_the_source_distribution_installs(built: Path, tmp_path: Path) -> None:
    """In an empty environment pip builds and installs it, and the command answers."""
    [archive] = built.glob("*.tar.gz")
    venv.create(tmp_path / "venv", with_pip=True)
    scripts = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run([scripts / "python", "-m", "pip", "install", "-q", archive], check=True)
    answer = subprocess.run(
        [scripts / "jobkit", "--version"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "0.1.0" in answer.stdout
