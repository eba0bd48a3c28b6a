"""docs/how-to/run-several-schedulers.md: from its first block to its last, on a real server."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from jobkit_postgres.settings import PostgresSettings
from postgres_tests.client import shell
from postgres_tests.server import Server

from jobkit.cli.render.toml_text import toml_text
from jobkit.config.plugin_schema import keys_of
from jobkit.config.plugin_structs import described
from jobkit.records import to_plain

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "run-several-schedulers.md"
BLOCK = re.compile(r"```(sql|toml|sh)\n(.*?)```", re.DOTALL)
JOB = """
from jobkit import submit_job

@submit_job(schedule="* * * * * *")
async def tick(ctx):
    pass
"""


class Reader:
    """Somebody who does what the page says, with the programs of the wheel's server."""

    def __init__(self, root: Path, server: Server) -> None:
        text = PAGE.read_text(encoding="utf-8")
        self.blocks = BLOCK.findall(text)
        self._root = root
        self._tools = shell(server)
        self._exports = self._moved(self.block("export DATABASE_URL"))
        self._schedulers: list[subprocess.Popen[bytes]] = []
        (root / "bin").mkdir()
        jobkit = root / "bin" / "jobkit"
        jobkit.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m jobkit "$@"\n', encoding="utf-8")
        jobkit.chmod(0o755)
        jobs = root / "extensions" / "shop" / "jobs"
        jobs.mkdir(parents=True)
        (jobs / "tick.py").write_text(JOB, encoding="utf-8")

    def _moved(self, command: str) -> str:
        place = f"{quote(self._tools['PGHOST'], safe='')}:{self._tools['PGPORT']}"
        return command.replace("db.example", place)

    def block(self, word: str) -> str:
        """The one block with *word* in it."""
        [found] = [text for _, text in self.blocks if word in text]
        return str(found)

    def write(self, word: str) -> None:
        """The configuration file with *word* in it, under the name in its first line."""
        text = self.block(word)
        path = self._root / text.partition("\n")[0].removeprefix("# ")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def does(self, command: str) -> str:
        """The command of a block, after the variables of the page were set; what it prints."""
        done = subprocess.run(
            ["sh", "-ec", f"{self._exports}\n{self._moved(command)}"],
            cwd=self._root,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}{self.said()}"
        return done.stdout

    def follows(self, word: str) -> str:
        """Do what the block with *word* in it says."""
        return self.does(self.block(word))

    def starts(self, node: str) -> None:
        """One more scheduler, as the page has it."""
        command = f"{self._exports}\nexec {self.block('start --wait-store')}"
        with (self._root / f"{node}.log").open("wb") as log:
            process = subprocess.Popen(
                ["sh", "-ec", command],
                cwd=self._root,
                env=self._environment() | {"JOBKIT__SCHEDULER__NODE": node},
                stdout=log,
                stderr=log,
            )
        self._schedulers.append(process)

    def stops(self) -> list[int]:
        """All schedulers, as a service manager does; their exit codes."""
        for process in self._schedulers:
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(60) for process in self._schedulers]
        self._schedulers.clear()
        return codes

    def json(self, words: str) -> Any:
        """The data of a verb."""
        return json.loads(self.does(f"jobkit --env production {words} --json"))["data"]

    def until(self, found: Callable[[], object], seconds: float = 60.0) -> None:
        """Wait until *found()* is true."""
        end = time.monotonic() + seconds
        while not found():
            assert time.monotonic() < end, self.said()
            time.sleep(0.2)

    def said(self) -> str:
        return "\n".join(log.read_text(errors="replace") for log in sorted(self._root.glob("*.log")))

    def end(self) -> None:
        for process in self._schedulers:
            process.kill()
            process.wait()

    def _environment(self) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("JOBKIT_", "PG"))}
        path = f"{self._root / 'bin'}{os.pathsep}{self._tools['PATH']}"
        # Wide enough for every value: workers of a test run say 80 columns.
        ours = {"PATH": path, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}
        return plain | self._tools | ours


@pytest.fixture
def reader(own_server: Server, tmp_path: Path) -> Iterator[Reader]:
    """Before the first line of the page."""
    reader = Reader(tmp_path, own_server)
    try:
        yield reader
    finally:
        reader.end()


def nodes(reader: Reader) -> set[str]:
    """Who has executed a run."""
    return {run["node"] for run in reader.json("history --status succeeded --limit 100")}


def test_the_page_from_an_empty_server_to_a_restored_backup(reader: Reader) -> None:
    """Each of its blocks does what the text around it says; two schedulers share the work."""
    for database, word in (("postgres", "create role shop_owner"), ("shop", "create schema jobkit")):
        sql = reader.block(word)
        reader.does(f"psql --set=ON_ERROR_STOP=1 --dbname={database} <<'SQL'\n{sql}\nSQL")
    reader.write("required_plugins")
    reader.write('store = "${DATABASE_URL}"')
    reader.follows("db upgrade")
    assert "its tables are current" in " ".join(reader.follows("doctor").split())

    reader.starts("host-a")
    reader.starts("host-b")
    reader.until(lambda: nodes(reader) == {"host-a", "host-b"})
    assert "scheduler.live" in reader.follows("production health")
    seen = reader.follows("pg_stat_activity")
    assert "max_connections" in seen
    assert re.search(r"shop +\| jobkit", seen), seen
    reader.follows("pg_dump")
    before = rows_of_ticks(reader)
    reader.until(lambda: rows_of_ticks(reader) > before)
    assert reader.stops() == [0, 0], reader.said()

    newest = reader.follows("jobkit.readable(queued_at)")
    assert re.search(r"\| tick +\| succeeded \| 20\d\d-\d\d-\d\d ", newest), newest
    after = rows_of_ticks(reader)
    assert "current" in reader.follows("pg_restore")
    assert rows_of_ticks(reader) < after, "what came after the dump is forgotten"
    reader.starts("host-c")
    reader.until(lambda: "host-c" in nodes(reader))
    assert reader.stops() == [0], reader.said()


def rows_of_ticks(reader: Reader) -> int:
    """How many runs there are; seen by the role that serves."""
    text = reader.does(
        'psql "$DATABASE_URL" -At -c "select count(*) from jobkit.runs where tick is not null"'
    )
    return int(text)


@pytest.mark.parametrize(("word", "shows"), [("pgbouncer.example", "direct_url"), ("db-1.example", "db-2.")])
def test_other_addresses_are_configured_as_shown(reader: Reader, word: str, shows: str) -> None:
    """A pooler with the server besides, and a standby: configurations that load and hide what is secret."""
    reader.write("required_plugins")
    reader.write(word)
    shown = reader.does("jobkit --env production config show")
    assert shows in shown
    assert "secret" not in shown


def test_the_settings_are_those_that_there_are() -> None:
    """The page's table is what the plugin accepts, with its defaults and its words."""
    text = PAGE.read_text(encoding="utf-8").partition("## `[plugins.postgres]`")[2].partition("\n## ")[0]
    written = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    keys = keys_of(described(PostgresSettings))
    assert written == [
        [
            f"`{key.name}`",
            "none" if key.default is None else f"`{toml_text(to_plain(key.default))}`",
            key.summary,
        ]
        for key in keys
    ]


def test_the_formula_is_kept() -> None:
    """What it comes to with the defaults, and for the deployment of the example."""
    settings = PostgresSettings()
    each = settings.pool_size + 2 + settings.jobs_pool_size
    text = PAGE.read_text(encoding="utf-8")
    assert f"{settings.pool_size} + 2 + {settings.jobs_pool_size} = {each}" in text
    assert f"at least {4 * each + 20}" in text
