"""Who may import whom: the contracts of pyproject.toml hold."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

LINT = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]


def test_imports_go_downwards_and_never_in_circles(root: Path) -> None:
    """import-linter finds every module on a floor, no import upwards, and no circle."""
    lint = subprocess.run(LINT, cwd=root, capture_output=True, text=True, check=False)
    assert lint.returncode == 0, lint.stdout + lint.stderr


def test_a_forbidden_import_is_found(root: Path, tmp_path: Path) -> None:
    """The contracts bite: in a tree of empty rooms, one import from bottom to top breaks them."""
    settings = (root / "pyproject.toml").read_text(encoding="utf-8")
    floors = tomllib.loads(settings)["tool"]["importlinter"]["contracts"][0]["layers"]
    rooms = [room.strip(" ()") for floor in floors for room in floor.split(":")]
    package = tmp_path / "jobkit"
    package.mkdir()
    for room in ["__init__", *rooms]:
        (package / f"{room}.py").touch()
    (tmp_path / "pyproject.toml").write_text(settings, encoding="utf-8")
    whole = subprocess.run(LINT, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert whole.returncode == 0, whole.stdout

    (package / "exceptions.py").write_text("import jobkit.cli\n")
    broken = subprocess.run(LINT, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert broken.returncode == 1
    assert "jobkit.exceptions -> jobkit.cli" in broken.stdout
