"""The codes of the run store: files that are no store, places that do not do, a machine that says no."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from jobkit.stores.migrations import Migration, checksum
from jobkit.stores.sqlite import mounts, schema
from jobkit.stores.sqlite import store as sqlite_store
from tests.cli.harness import CommandLine, Ended
from tests.scenario.codes.walk import Walk

# What each of these runs into needs a store object, two of them at once, or a stopped writer: no command
# does that.
ELSEWHERE: dict[str, str] = {
    "JK602": "tests/stores/sqlite/test_writing.py::test_a_renewal_gives_up",
    "JK617": "tests/stores/sqlite/test_mending.py::test_writing_where_it_was_opened_for_reading",
    "JK618": "tests/stores/sqlite/test_mending.py::test_a_store_that_was_not_entered",
    "JK619": "tests/stores/sqlite/test_mending.py::test_a_page_that_nothing_continues",
    "JK621": "tests/stores/test_refusals.py::test_an_id_that_was_used_before",
}

_HELLO = """
from jobkit import JobContext, submit_job

@submit_job()
def hello(ctx: JobContext) -> None:
    print("hello")
"""
_REPLACED = """
from pathlib import Path

from jobkit import JobContext, submit_job

@submit_job()
def tidy(ctx: JobContext) -> None:
    if not Path("jobkit.db").exists():
        for path in Path(".jobkit").glob("jobkit.db*"):
            path.rename(path.name)
"""


def _settings(cli: CommandLine, *, name: str = "shop", store: str | None = None) -> None:
    chosen = "" if store is None else f'\n[scheduler]\nstore = "{store}"\n'
    cli.file("jobkit.toml", f'[project]\nname = "{name}"\n{chosen}')


def _made(cli: CommandLine) -> Path:
    """A store without runs; its file."""
    assert cli("db", "upgrade").code == 0
    return cli.root / ".jobkit" / "jobkit.db"


def _sql(path: Path, statement: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(statement).fetchall()


def _aside(cli: CommandLine) -> None:
    """``mkdir damaged && mv .jobkit/jobkit.db* damaged/``."""
    (cli.root / "damaged").mkdir()
    for path in (cli.root / ".jobkit").glob("jobkit.db*"):
        path.rename(cli.root / "damaged" / path.name)


# -- what SQLite says ------------------------------------------------------------------------------------


def _meet_lost_table(cli: CommandLine) -> Ended:
    _sql(_made(cli), "DROP TABLE runs")
    return cli("history")


def _mend_lost_table(cli: CommandLine) -> Ended:
    assert "integrity_check" in cli("explain", "JK601").out
    assert _sql(cli.root / ".jobkit/jobkit.db", "PRAGMA integrity_check") == [("ok",)]
    _aside(cli)
    return cli("history")


def _meet_unknown_run(cli: CommandLine) -> Ended:
    cli.file("extensions/web/jobs/hello.py", _HELLO)
    assert cli("run", "hello", fixed=False).code == 0
    return cli("logs", "1423")


def _mend_unknown_run(cli: CommandLine) -> Ended:
    [run] = cli("history", "--json").data
    return cli("logs", str(run["number"]))


# -- files ---------------------------------------------------------------------------------------------


def _meet_foreign_file(cli: CommandLine) -> Ended:
    cli.file("notes.txt", "not a database at all\n" * 500)
    _settings(cli, store="sqlite:///notes.txt")
    return cli("db", "status")


def _meet_emptied_file(cli: CommandLine) -> Ended:
    path = _made(cli)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)
    return cli("history")


def _mend_emptied_file(cli: CommandLine) -> Ended:
    _aside(cli)
    return cli("history")


def _meet_newer_store(cli: CommandLine) -> Ended:
    number = len(schema.known()) + 1
    _sql(_made(cli), f"INSERT INTO migrations VALUES ({number}, '{number:04}_future', 'x', 0)")
    return cli("db", "upgrade")


def _meet_changed_store(cli: CommandLine) -> Ended:
    path = _made(cli)
    shutil.copy(path, cli.root / "backup.db")
    _sql(path, "DROP TABLE migrations")
    return cli("db", "upgrade")


def _mend_changed_store(cli: CommandLine) -> Ended:
    shutil.copy(cli.root / "backup.db", cli.root / ".jobkit/jobkit.db")
    return cli("db", "upgrade")


def _later(cli: CommandLine, *arguments: str) -> Ended:
    """The command of a later version, which has one migration more."""
    sql = "CREATE TABLE later (x TEXT) STRICT;"
    number = len(schema.known()) + 1
    newer = (*schema.known(), Migration(number, f"{number:04}_later", sql, checksum(sql)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "known", lambda: newer)
        return cli(*arguments)


def _meet_older_store(cli: CommandLine) -> Ended:
    _made(cli)
    return _later(cli, "doctor", "--json")


def _mend_older_store(cli: CommandLine) -> Ended:
    assert _later(cli, "db", "upgrade").code == 0
    return _later(cli, "doctor", "--json")


def _meet_other_project(cli: CommandLine) -> Ended:
    _made(cli)
    _settings(cli, name="bakery")
    return cli("history")


def _mend_other_project(cli: CommandLine) -> Ended:
    _settings(cli, name="shop")
    return cli("history")


def _meet_replaced_store(cli: CommandLine) -> Ended:
    cli.file("extensions/web/jobs/tidy.py", _REPLACED)
    with pytest.MonkeyPatch.context() as patch:  # its result would be offered for a minute
        patch.setattr("jobkit.runner.patience._REFUSED", 0.2)
        return cli("run", "tidy", fixed=False)


# -- places --------------------------------------------------------------------------------------------


def _store_at(address: str, *arguments: str) -> Callable[[CommandLine], Ended]:
    """Set ``[scheduler] store`` to *address*, and give the command."""

    def act(cli: CommandLine) -> Ended:
        _settings(cli, store=address)
        return cli(*arguments)

    return act


@contextlib.contextmanager
def _network(folder: Path) -> Iterator[None]:
    """A list of mounts that says that *folder* lies on a server, for want of one."""
    table = folder / "mounts"
    table.write_text(f"server:/export {folder.resolve()} nfs4 rw 0 0\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mounts, "MOUNTS", table)
        yield


def _meet_network(cli: CommandLine) -> Ended:
    with _network(cli.root):
        return cli("db", "upgrade")


def _mend_network(cli: CommandLine) -> Ended:
    _settings(cli, store="sqlite:///.jobkit/jobkit.db?allow-network-fs=1")
    with _network(cli.root):
        return cli("db", "upgrade")


def _mend_missing_folder(cli: CommandLine) -> Ended:
    (cli.root / "var" / "lib").mkdir(parents=True)
    return cli("db", "upgrade")


def _meet_read_only_folder(cli: CommandLine) -> Ended:
    _made(cli).parent.chmod(0o500)
    return cli.process("db", "upgrade", unprivileged=True)


def _mend_read_only_folder(cli: CommandLine) -> Ended:
    (cli.root / ".jobkit").chmod(0o700)
    return cli.process("db", "upgrade", unprivileged=True)


def _meet_open_folder(cli: CommandLine) -> Ended:
    _made(cli).parent.chmod(0o777)
    return cli("history")


def _mend_open_folder(cli: CommandLine) -> Ended:
    subprocess.run(["chmod", "o-w", cli.root / ".jobkit"], check=True)
    return cli("history")


# -- the machine ---------------------------------------------------------------------------------------


def _meet_full_disk(cli: CommandLine) -> Ended:
    """As on a disk with a quota: no file may be longer than 8 KiB."""
    command = 'ulimit -S -f 8 && exec "$0" -m jobkit db upgrade'
    done = subprocess.run(
        ["bash", "-c", command, sys.executable],
        cwd=cli.root, env=cli.environ(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)


def _locked_store() -> Walk:
    """Another process holds the store: one that a database tool would be."""
    tools: list[subprocess.Popen[str]] = []
    script = "import sqlite3, sys\nheld = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
    script += "held.execute('BEGIN IMMEDIATE')\nprint('held', flush=True)\nsys.stdin.read()\n"

    def prune(cli: CommandLine) -> Ended:
        patient = partial(sqlite_store.SqliteStore, lock_timeout=0.05)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sqlite_store, "SqliteStore", patient)
            return cli("db", "prune")

    def meet(cli: CommandLine) -> Ended:
        tool = subprocess.Popen(
            [sys.executable, "-c", script, str(_made(cli))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        tools.append(tool)
        assert tool.stdout is not None
        assert tool.stdout.readline() == "held\n"
        return prune(cli)

    def mend(cli: CommandLine) -> Ended:
        tools.pop().communicate(timeout=10)
        return prune(cli)

    return Walk("JK615", meet, "close database tools", mend)


WALKS: list[Walk] = [
    Walk("JK601", _meet_lost_table, "`jobkit explain JK601` says how to look at the file", _mend_lost_table),
    Walk("JK603", _meet_unknown_run, "`jobkit history` lists the runs", _mend_unknown_run),
    Walk(
        "JK604",
        _store_at("sqlite://jobkit.db", "db", "upgrade"),
        "write sqlite:///.jobkit/jobkit.db or sqlite:////var/lib/shop/jobkit.db in [scheduler] store",
        _store_at("sqlite:///.jobkit/jobkit.db", "db", "upgrade"),
    ),
    Walk(
        "JK605",
        _meet_foreign_file,
        "name another file in [scheduler] store",
        _store_at("sqlite:///.jobkit/jobkit.db", "db", "status"),
    ),
    Walk("JK606", _meet_emptied_file, "move the file and those beside it aside", _mend_emptied_file),
    Walk(
        "JK607",
        _meet_newer_store,
        "give this one a store of its own in [scheduler] store",
        _store_at("sqlite:///.jobkit/older.db", "db", "upgrade"),
    ),
    Walk("JK608", _meet_changed_store, "put a backup in its place", _mend_changed_store),
    Walk("JK609", _meet_older_store, "run `jobkit db upgrade`", _mend_older_store),
    Walk("JK610", _meet_network, "add ?allow-network-fs=1 to its address", _mend_network),
    Walk(
        "JK611",
        _store_at("sqlite:///var/lib/shop/jobkit.db", "db", "upgrade"),
        "create it (mkdir -p ",
        _mend_missing_folder,
    ),
    Walk("JK612", _meet_read_only_folder, "let this user write to ", _mend_read_only_folder),
    Walk("JK613", _meet_open_folder, "chmod o-w ", _mend_open_folder),
    Walk("JK614", _meet_full_disk, "make room on the disk", lambda cli: cli.process("db", "upgrade")),
    _locked_store(),
    Walk("JK616", _meet_other_project, "put its old name back in [project] name", _mend_other_project),
    Walk(
        "JK620",
        _meet_replaced_store,
        "start jobkit again to use what is there now",
        lambda cli: cli("run", "tidy", fixed=False),
    ),
]
