"""Style and types: the same checks that ``nox -s lint types`` runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("command", ["ruff check", "ruff format --check", "mypy"])
def test_the_tree_passes(root: Path, command: str) -> None:
    """The tool has nothing to say about any file of the project."""
    answer = subprocess.run(
        [sys.executable, "-m", *command.split()], cwd=root, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
