"""The verbs of the command line on a server that is away, has no tables, or may only be read."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from postgres_tests import mute
from postgres_tests.server import Server
from postgres_tests.test_plugin import jobkit, write
from postgres_tests.test_refusals import moved
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

AWAY = Server("postgresql://app:hunter2hunter2@127.0.0.1:1/shop")


@pytest.mark.parametrize(
    "words",
    ["health", "history", "list", "show ask", "timeline", "db status", "run ask", "start", "pause ask"],
)
def test_a_server_that_is_away(tmp_path: Path, words: str) -> None:
    """Exit code 6, why and where, what to do; nothing is claimed to be known, and no password is shown."""
    ended = jobkit(write(tmp_path, AWAY, "jobkit"), *words.split())
    assert ended.returncode == 6
    assert "error[JK602]" in ended.stderr
    assert "Connection refused" in ended.stderr
    assert "jobkit.toml:" in ended.stderr
    assert "help: " in ended.stderr
    said = ended.stdout + ended.stderr
    assert "hunter2" not in said
    assert "Traceback" not in said
    assert "none yet" not in said
    assert "never" not in said
    assert "Nothing ran" not in said


def test_the_variable_that_names_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no file does, the error says which variable."""
    root = write(tmp_path, AWAY, "jobkit")
    environment = os.environ | {"JOBKIT__SCHEDULER__STORE": "postgresql://app:hunter3hunter3@127.0.0.1:1/x"}
    ended = subprocess.run(
        [sys.executable, "-m", "jobkit", "-C", str(root), "--json", "health"],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 6
    [error] = json.loads(ended.stdout)["errors"]
    assert error["message"].startswith("JOBKIT__SCHEDULER__STORE: ")
    assert error["code"] == "JK602"
    assert "hunter" not in ended.stdout + ended.stderr


def test_an_address_past_the_pooler_that_is_wrong(server: Server, tmp_path: Path) -> None:
    """`db upgrade` goes there, and names that setting, and its line."""
    root = write(tmp_path, server, "jobkit")
    with (root / "jobkit.toml").open("a", encoding="utf-8") as file:
        file.write(f'direct_url = "{moved(server.url, user="nobody:hunter2hunter2")}"\n')
    ended = jobkit(root, "db", "upgrade")
    assert ended.returncode == 6
    assert "error[JK622]" in ended.stderr
    assert "[plugins.postgres] direct_url" in " ".join(ended.stderr.split())
    assert "jobkit.toml:8" in ended.stderr
    assert "hunter2" not in ended.stdout + ended.stderr


def test_a_server_that_says_nothing_is_not_waited_for_long(tmp_path: Path) -> None:
    """A probe ends: it asks once, within the time that the address gives it."""
    with mute.serving(mute.silent) as url:
        root = write(tmp_path, Server(f"{url}?connect_timeout=2"), "jobkit")
        ended = jobkit(root, "health", "-q")  # which gives up after a minute
    assert ended.returncode == 6
    assert "JK602" in ended.stderr


@pytest.mark.parametrize("words", ["history", "health", "start", "run ask", "db prune --dry-run"])
def test_a_database_without_tables(server: Server, schema: str, tmp_path: Path, words: str) -> None:
    """JK609, which names the command; nothing is made without it."""
    ended = jobkit(write(tmp_path, server, schema), *words.split())
    if words.startswith("db"):
        assert ended.returncode == 0, "nothing is old enough"
        assert "0 runs" in ended.stdout
        return
    assert ended.returncode == 6
    assert "error[JK609]" in ended.stderr
    assert "has no tables yet" in ended.stderr
    assert "jobkit db upgrade" in ended.stderr
    with psycopg.connect(server.url) as connection:
        found = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema]).fetchone()
    assert found is None


@pytest.fixture
def reader(server: Server) -> Iterator[str]:
    """A role that may log in."""
    name = f"reader_{secrets.token_hex(6)}"
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
        yield name
        admin.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_a_role_that_may_only_read(server: Server, schema: str, tmp_path: Path, reader: str) -> None:
    """Whatever shows something does; whatever would write says which rights it lacks (JK625)."""
    root = write(tmp_path, server, schema)
    assert jobkit(root, "db", "upgrade").returncode == 0
    assert jobkit(root, "run", "ask").returncode == 0
    space, name = sql.Identifier(schema), sql.Identifier(reader)
    with psycopg.connect(server.url, autocommit=True) as admin:
        admin.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(space, name))
        admin.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(space, name))
    settings = root / "jobkit.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace(server.url, moved(server.url, user=reader)), encoding="utf-8")
    for words in ("history", "list", "show ask", "why ask", "logs last", "stats", "db status", "db export"):
        ended = jobkit(root, *words.split())
        assert ended.returncode == 0, ended.stderr
        assert "ask" in ended.stdout or words == "db status"
    for words in ("run ask", "pause ask", "db prune --before 1s"):
        ended = jobkit(root, *words.split())
        assert ended.returncode == 6
        assert "error[JK625]" in ended.stderr
        assert f'TO "{reader}"' in " ".join(ended.stderr.split())


def test_a_server_that_comes_later_is_waited_for(own_server: Server) -> None:
    """`start --wait-store` says that it waits, serves as soon as the server is there, and ends well."""
    parts = conninfo_to_dict(own_server.url)
    with tempfile.TemporaryDirectory(prefix="jk") as folder:
        place, root = Path(folder) / "later", Path(folder) / "project"
        root.mkdir()
        url = own_server.url.replace(quote(str(parts["host"]), safe=""), quote(str(place), safe=""))
        write(root, own_server, "jobkit")
        assert jobkit(root, "db", "upgrade").returncode == 0
        settings = root / "jobkit.toml"
        settings.write_text(settings.read_text("utf-8").replace(own_server.url, url), encoding="utf-8")
        with subprocess.Popen(
            [sys.executable, "-m", "jobkit", "-C", str(root), "start", "--wait-store", "60s"],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        ) as scheduler:  # fmt: skip
            assert scheduler.stderr is not None
            seen: list[str] = []
            for line in scheduler.stderr:
                seen.append(line)
                if line.startswith("waiting for the store"):
                    place.symlink_to(str(parts["host"]))
                if "scheduler.started" in line:
                    scheduler.send_signal(signal.SIGINT)
            assert scheduler.wait(60) == 0, "".join(seen)
        assert any("JK602" in line for line in seen)
        assert any("scheduler.stopped" in line for line in seen)
