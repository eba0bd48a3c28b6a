"""What the docs say to authors of plugins is done, step by step, in an environment of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


class Shell:
    """Commands in a virtual environment that knows the packages of the one that runs the tests.

    It needs no package index: the core is installed from the checkout, everything else is there.
    """

    def __init__(self, folder: Path) -> None:
        self.venv = folder / "venv"
        self.here = folder
        venv.create(self.venv, with_pip=False)
        [packages] = self.venv.glob("lib/python*/site-packages")
        places = [place for place in sys.path if place.endswith("site-packages")]
        # Not by a line each: the tests' own environment may have files there that add further places.
        lines = [f"import site; site.addsitedir({place!r})" for place in places]
        (packages / "zz_tests.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.do("pip install -e .", at=ROOT)

    def do(self, line: str, *, at: Path | None = None, code: int = 0) -> str:
        """Run *line*; what it writes to stdout, and on failure both streams."""
        words = line.split()
        if words[:2] == ["pip", "install"]:
            offline = "--no-index --no-deps --no-build-isolation --disable-pip-version-check -q"
            words = [sys.executable, "-m", "pip", "--python", str(self.python), "install"]
            words += [*offline.split(), *line.split()[2:]]
        elif words[0] in {"python", "jobkit"}:
            words = [str(self.python), *(["-m", "jobkit"] if words[0] == "jobkit" else []), *words[1:]]
        done = subprocess.run(
            words, cwd=at or self.here, env=self._environ(), capture_output=True, text=True, timeout=100,
            check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout if code == 0 else done.stdout + done.stderr

    def block(self, text: str) -> str:
        """Run the lines of an sh block; ``cd`` stays in force."""
        told = ""
        for line in text.splitlines():
            if line.startswith("cd "):
                self.here = self.here / line.removeprefix("cd ")
            else:
                told += self.do(line)
        return told

    def data(self, line: str) -> Any:
        """The answer of a command to ``--json``."""
        return json.loads(self.do(f"{line} --json"))["data"]

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    def _environ(self) -> Mapping[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("JOBKIT_", "PYTEST_", "PYTHON"))
        }
        return {**kept, "PATH": f"{self.venv / 'bin'}:{kept.get('PATH', '')}", "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Outside of the repository."""
    return Shell(tmp_path)


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of a page, in order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.timeout(300)  # pip twice, and a test session of its own
def test_the_first_plugin(shell: Shell) -> None:
    """Made, installed, tested, seen; its service by type and by name, its sink gets every result."""
    make, install, see, run, configured = blocks("tutorial/first-plugin.md", "sh")
    [welcome] = blocks("tutorial/first-plugin.md", "python")
    [table] = blocks("tutorial/first-plugin.md", "toml")
    home = shell.here

    assert "made the plugin acme" in shell.block(make)
    assert " passed" in shell.block(install)

    shell.here = project = home / "shop"
    job = project / "extensions/web/jobs/welcome.py"
    job.parent.mkdir(parents=True)
    (project / "jobkit.toml").touch()
    assert "acme" in shell.block(see)
    [info] = [info for info in shell.data("jobkit plugins") if info["name"] == "acme"]
    assert (info["version"], info["distribution"], info["source"], info["status"]) == (
        "0.1.0.dev0", "jobkit-acme", "entry point", "active",
    )  # fmt: skip
    assert info["hooks"] == [
        "jobkit_addoption",
        "jobkit_commands",
        "jobkit_services",
        "jobkit_run_finished",
        "jobkit_result_sinks",
    ]

    job.write_text(welcome, encoding="utf-8")
    shell.block(run)
    assert messages(shell) == ["Welcome, Ada!", "Welcome, Grace!"]

    (project / "jobkit.toml").write_text(table, encoding="utf-8")
    assert shell.block(configured).endswith("Good morning, Ada!\n")
    assert messages(shell)[-1] == "Good morning, Ada!"
    shell.do("jobkit run welcome_too welcome")
    lines = (project / "guestbook.jsonl").read_text(encoding="utf-8").splitlines()
    told = [json.loads(line) for line in lines]
    runs = [run["id"] for run in reversed(shell.data("jobkit history"))]
    assert [run["id"] for run in told] == runs[2:]

    (project / "jobkit.toml").write_text(table.replace("greeting", "greting"), encoding="utf-8")
    said = shell.do("jobkit list", code=6)
    assert "jobkit.toml:2" in said
    assert "greeting" in said


def messages(shell: Shell) -> list[str]:
    """What the runs of the project said, oldest first."""
    return [run["message"] for run in reversed(shell.data("jobkit history"))]


def test_the_guide_to_testing(pytester: pytest.Pytester) -> None:
    """Its examples are tests that pass; the last one needs an installed plugin, and is told so."""
    *examples, installed = blocks("how-to/test-a-plugin.md", "python")
    pytester.makepyfile(test_guide="\n\n".join(examples))
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=3)
    assert 'jobkit_project.plugin("acme")' in installed
