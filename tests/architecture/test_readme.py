"""The README's two commands have the form that people and .ci/run rely on."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest


@pytest.mark.parametrize("heading", ["## Try it", "## Run the tests"])
def test_one_command_below_the_heading(root: Path, heading: str) -> None:
    """Below the heading stands one sh block, of exactly one line, that installs from the checkout."""
    section = _section((root / "README.md").read_text(encoding="utf-8"), heading)
    [block] = re.findall(r"^```sh\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
    assert re.fullmatch(r"pip install -e '\.\[\w+\]'( -e '?hooks/[\w\[\]-]+'?)* && .+\n", block)


def test_the_tests_command_installs_every_plugin(root: Path) -> None:
    """Their tests belong to the suite, and need their entry points."""
    section = _section((root / "README.md").read_text(encoding="utf-8"), "## Run the tests")
    installed = set(re.findall(r"-e '?hooks/([\w-]+)", section))
    assert installed == {path.parent.name for path in (root / "hooks").glob("*/pyproject.toml")}


def test_ci_runs_the_readme(root: Path) -> None:
    """.ci/run is a valid script and holds neither command itself: it takes them from the README."""
    script = root / ".ci" / "run"
    subprocess.run(["bash", "-n", str(script)], check=True)
    text = script.read_text(encoding="utf-8")
    assert "'## Run the tests'" in text
    assert "pytest" not in text


def _section(readme: str, heading: str) -> str:
    below = readme.split(f"\n{heading}\n", 1)[1]
    return re.split(r"^## ", below, maxsplit=1, flags=re.MULTILINE)[0]
