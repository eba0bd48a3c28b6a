"""Where the database may lie, and what is refused: each refusal, and what its help says to do."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobkit.exceptions import DatabaseError
from jobkit.sqlite import Database
from jobkit.stores.sqlite import mounts

#: Before a command: permissions hold for root, too.
AS_ANYBODY = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
TABLE = "create table t (n integer)"


def refused(path: str | Path, root: Path, code: str) -> DatabaseError:
    """The error of opening it, which leaves everything as it was."""
    before = sorted(root.rglob("*"))
    with pytest.raises(DatabaseError) as raised, Database(path, root=root):
        raise AssertionError("unreachable")
    assert raised.value.code == code
    assert sorted(root.rglob("*")) == before
    return raised.value


def works(path: str | Path, root: Path, **more: bool) -> None:
    with Database(path, root=root, **more) as db:
        db.sync.execute("create table if not exists t (n integer)")
        assert db.sync.fetch_value("select count(*) from t") == 0


def test_one_missing_folder_is_made_and_two_are_not(tmp_path: Path) -> None:
    """JK412 for a path with a typing error in it; after ``mkdir`` it is fine."""
    error = refused("a/b/site.db", tmp_path, "JK412")
    assert f"mkdir -p {tmp_path / 'a'}" in (error.help or "")
    assert "the database" in error.message
    (tmp_path / "a").mkdir()
    works("a/b/site.db", tmp_path)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o022 == 0


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    """JK412 too, and nothing of the run store is in its words."""
    (tmp_path / "site.db").mkdir()
    error = refused("site.db", tmp_path, "JK412")
    assert "[plugins.sqlite] url" in (error.help or "")
    assert "store" not in f"{error.message} {error.help}"


def test_an_empty_file_becomes_a_database(tmp_path: Path) -> None:
    """SQLite takes it for a new one, and so do we: only the run store is never empty."""
    (tmp_path / "site.db").touch()
    works("site.db", tmp_path)


@contextlib.contextmanager
def network(folder: Path, table: Path) -> Iterator[None]:
    """A list of mounts that says that *folder* lies on a server, for want of one."""
    table.write_text(f"server:/export {folder.resolve()} nfs4 rw 0 0\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mounts, "MOUNTS", table)
        yield


def test_a_network_file_system_is_refused(tmp_path: Path) -> None:
    """JK413, unless somebody says that one host alone uses it."""
    root = tmp_path / "shop"
    root.mkdir()
    with network(root, tmp_path / "mounts"):
        error = refused("site.db", root, "JK413")
        assert "nfs4" in error.message
        assert "?allow-network-fs=1" in (error.help or "")
        works("site.db", root, allow_network=True)


def test_what_everybody_may_write_to_is_refused(tmp_path: Path) -> None:
    """JK414 for file, folder and link; ``chmod o-w`` mends it, or saying that it is meant to be so."""
    works("site.db", tmp_path)
    file = tmp_path / "site.db"
    for judged in (file, tmp_path):
        mode = judged.stat().st_mode
        judged.chmod(mode | 0o002)
        error = refused("site.db", tmp_path, "JK414")
        assert error.help == f"chmod o-w {judged}"
        works("site.db", tmp_path, trust_permissions=True)
        subprocess.run(["chmod", "o-w", judged], check=True)
        works("site.db", tmp_path)
    (tmp_path / "link.db").symlink_to(file)
    assert "symbolic link" in refused("link.db", tmp_path, "JK414").message


def test_what_is_no_database_is_left_alone(tmp_path: Path) -> None:
    """JK415; with the file moved aside there is a new one."""
    notes = tmp_path / "notes.txt"
    notes.write_text("not a database at all\n" * 500)
    error = refused("notes.txt", tmp_path, "JK415")
    assert "file is not a database" in error.message
    assert notes.read_text().startswith("not a database")
    notes.rename(tmp_path / "aside.txt")
    works("notes.txt", tmp_path)


def test_a_journal_without_its_database_is_left_alone(tmp_path: Path) -> None:
    """JK415: what was last written is in it, and belongs to a file that is elsewhere."""
    (tmp_path / "site.db-wal").write_bytes(b"x" * 100)
    assert "site.db-wal" in refused("site.db", tmp_path, "JK415").message


def test_a_damaged_page_is_named(tmp_path: Path) -> None:
    """JK415 for a statement that meets it; a backup in its place mends it."""
    path = tmp_path / "site.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(TABLE)
        connection.execute("begin")
        connection.executemany("insert into t values (?)", [(number,) for number in range(5000)])
        connection.execute("commit")
    backup = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096 * 3)
    with Database(path) as db, pytest.raises(DatabaseError, match="damaged") as raised:
        db.sync.fetch_value("select sum(n) from t")
    assert raised.value.code == "JK415"
    assert isinstance(raised.value.__cause__, sqlite3.DatabaseError)
    path.write_bytes(backup)
    with Database(path) as db:
        assert db.sync.fetch_value("select count(*) from t") == 5000


def test_a_full_disk_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    """JK417 for who wrote, everything else goes on; as on a disk with a quota, no file may be longer."""
    program = (
        "import resource, signal, sys\n"
        "from jobkit.sqlite import Database, DatabaseError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "with Database(sys.argv[1]) as db:\n"
        "    db.sync.execute('create table t (n)')\n"
        "    db.sync.execute('insert into t values (1)')\n"
        "    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))\n"
        "    try:\n"
        "        with db.sync.transaction() as tx:\n"
        "            tx.execute('insert into t values (zeroblob(4000000))')\n"
        "    except DatabaseError as error:\n"
        "        print(error.code, error.help)\n"
        "    print(db.sync.fetch_value('select count(*) from t'))\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))\n"
        "    db.sync.execute('insert into t values (2)')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "site.db")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said, count = done.stdout.splitlines()
    assert said.startswith("JK417 look at the disk")
    assert count == "1"
    with Database(tmp_path / "site.db") as db:
        assert [row["n"] for row in db.sync.fetch_all("select n from t")] == [1, 2]
        assert db.sync.fetch_value("pragma integrity_check") == "ok"


def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    """JK417: SQLite keeps its journal beside the file; with the right given it works."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o500)
    program = (
        "import sys\n"
        "from jobkit.sqlite import Database, DatabaseError\n"
        "try:\n"
        "    with Database(sys.argv[1]): print('open')\n"
        "except DatabaseError as error:\n"
        "    print(error.code, error.message)\n"
    )

    def attempt() -> str:
        command = [*AS_ANYBODY, sys.executable, "-c", program, str(folder / "site.db")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout + done.stderr

    assert attempt().startswith("JK417 no permission to use the database")
    folder.chmod(0o700)
    assert attempt() == "open\n"
