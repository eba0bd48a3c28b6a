"""docs/how-to/use-a-database.md: what stands there is a project that works."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.harness import CommandLine

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "use-a-database.md"
FILES = re.compile(r"^```\w+\n# (\S+\.\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line in the project that the guide describes."""
    cli = CommandLine(tmp_path / "shop", monkeypatch)
    for name, text in FILES.findall(GUIDE.read_text(encoding="utf-8")):
        cli.file(name, text)
    return cli


def test_its_jobs_run(cli: CommandLine) -> None:
    """Nothing is wrong with the project, and the jobs do what they say."""
    assert cli.process("check", "--strict").code == 0
    ended = cli.process("run", "note_price", "-p", "product=tea", "-p", "cents=500")
    assert ended.code == 0, ended.err
    ended = cli.process("run", "raise_prices", "-p", "percent=10")
    assert ended.code == 0, ended.err
    with closing(sqlite3.connect(cli.root / "data" / "shop.db")) as connection:
        assert connection.execute("select product, cents from prices").fetchall() == [("tea", 550)]


def test_its_test_passes(cli: CommandLine) -> None:
    """With the fixture, in a database of the test's own."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=cli.root, env=cli.environ(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert not (cli.root / "data").exists()
