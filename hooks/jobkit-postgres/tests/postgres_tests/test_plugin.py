"""The whole program: a project whose runs are in PostgreSQL, found as pip has installed the plugin."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from postgres_tests.server import Server

from jobkit import ConfigError, Project

JOBS = """
from jobkit import JobResult, submit_job
from psycopg_pool import AsyncConnectionPool

@submit_job
async def ask(ctx, db: AsyncConnectionPool):
    async with db.connection() as connection:
        [answer] = await (await connection.execute("SELECT 6 * 7")).fetchone()
    return JobResult.success(str(answer))
"""


def write(root: Path, server: Server, schema: str) -> Path:
    """A project on *server*."""
    folder = root / "extensions" / "shop" / "jobs"
    folder.mkdir(parents=True)
    (folder / "jobs.py").write_text(JOBS, encoding="utf-8")
    (root / "jobkit.toml").write_text(
        '[project]\nname = "shop"\nrequired_plugins = ["jobkit-postgres"]\n'
        f'[scheduler]\nstore = "{server.url}"\n'
        f'[plugins.postgres]\nschema = "{schema}"\n',
        encoding="utf-8",
    )
    return root


def jobkit(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, in a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JOBKIT_")}
    return subprocess.run(
        [sys.executable, "-m", "jobkit", "-C", str(root), *words],
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_from_an_empty_database_to_a_run(server: Server, schema: str, tmp_path: Path) -> None:
    """JK609 says what to do; then runs are kept, and jobs have the same database."""
    root = write(tmp_path, server, schema)
    refused = jobkit(root, "run", "ask")
    assert refused.returncode == 6
    assert "JK609" in refused.stderr
    assert jobkit(root, "db", "upgrade").returncode == 0
    ran = jobkit(root, "run", "ask")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    history = jobkit(root, "history")
    assert "42" in history.stdout


def test_the_health_of_the_store_is_looked_at(server: Server, schema: str, tmp_path: Path) -> None:
    """`doctor` knows the store and the service."""
    root = write(tmp_path, server, schema)
    jobkit(root, "db", "upgrade")
    seen = jobkit(root, "doctor")
    assert seen.returncode == 0, seen.stdout + seen.stderr
    assert "its tables are current" in " ".join(seen.stdout.split())
    assert "well: db" in seen.stdout


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('schema = ""', "63 bytes"),
        ("pool_size = 0", "pool_size"),
        ("pool_sise = 4", "pool_size"),
        ('direct_url = "not an address"', "not one of PostgreSQL's"),
        ('patience = "0s"', "patience"),
    ],
)
def test_a_wrong_table_is_refused(server: Server, tmp_path: Path, line: str, says: str) -> None:
    """When the project is loaded, with what is wrong."""
    root = write(tmp_path, server, "jobkit")
    text = (root / "jobkit.toml").read_text(encoding="utf-8").replace('schema = "jobkit"', line)
    (root / "jobkit.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught, Project.load(root):
        pytest.fail("it was loaded")
    assert says in f"{caught.value} {caught.value.help}"


def test_a_password_is_shown_nowhere(tmp_path: Path) -> None:
    """Neither by the error nor by what shows the configuration."""
    server = Server("postgresql://app:hunter2hunter2@127.0.0.1:1/shop")
    root = write(tmp_path, server, "jobkit")
    for words in (["run", "ask"], ["history"], ["db", "status"], ["config"]):
        ended = jobkit(root, *words)
        assert "hunter2" not in ended.stdout + ended.stderr


def test_a_store_that_a_variable_names_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the file named it: whoever reads that it does not answer has to know which it is."""
    root = write(tmp_path, Server("${DATABASE_URL}"), "jobkit")
    for user in ("app", "app:hunter2hunter2"):
        monkeypatch.setenv("DATABASE_URL", f"postgresql://{user}@127.0.0.1:1/shop")
        listed = jobkit(root, "list")
        assert "postgresql://app@127.0.0.1:1/shop does not answer" in " ".join(listed.stderr.split())
        assert "postgresql://app@127.0.0.1:1/shop" in listed.stdout
        assert "hunter2" not in listed.stdout + listed.stderr
