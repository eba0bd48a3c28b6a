"""A second server that follows the first one, and takes its place."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from postgres_tests.server import Server

#: Not the primary's: what that keeps in its folder, its locks too, is copied.
_PORT = 5433


class Standby:
    """A streaming replica of *primary*, asynchronous, in *folder*."""

    def __init__(self, primary: Server, folder: Path) -> None:
        self.primary = primary
        self.folder = folder

    @property
    def url(self) -> str:
        """Its own address."""
        return f"postgresql://postgres@/postgres?host={quote(str(self.folder), safe='')}&port={_PORT}"

    @property
    def shared_url(self) -> str:
        """The address of both: of whichever may be written to."""
        hosts = quote(f"{self._host},{self.folder}", safe="/,")
        return (
            f"postgresql://postgres@/postgres?host={hosts}&port={self._port},{_PORT}"
            "&target_session_attrs=read-write"
        )

    def start(self) -> None:
        """Copy the primary, and follow it."""
        source = f"host={self._host} port={self._port} user=postgres"
        self.primary.execute("pg_basebackup", "-D", str(self.folder), "-d", source, "-R", "-c", "fast")
        self._control("start", "-o", f'-h "" -p {_PORT} -k {self.folder}')
        self.until_caught_up()

    def until_caught_up(self) -> None:
        """Wait until it has all that the primary has."""
        with psycopg.connect(self.primary.url, autocommit=True) as primary:
            [(wanted,)] = primary.execute("SELECT pg_current_wal_lsn()").fetchall()
        with psycopg.connect(self.url, autocommit=True) as standby:
            end = time.monotonic() + 30
            while standby.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (wanted,)).fetchall() != [
                (True,)
            ]:
                assert time.monotonic() < end
                time.sleep(0.02)

    def fall_behind(self) -> None:
        """Hear nothing more of what the primary writes."""
        with psycopg.connect(self.url, autocommit=True) as standby:
            standby.execute("ALTER SYSTEM SET primary_conninfo = ''")
            standby.execute("SELECT pg_reload_conf()")
            end = time.monotonic() + 30
            while standby.execute("SELECT 1 FROM pg_stat_wal_receiver").fetchall():
                assert time.monotonic() < end
                time.sleep(0.02)

    def take_over(self, *, primary_is: str = "crashed") -> None:
        """Be the primary, with what has arrived; the other one has *crashed*, or is *read-only*."""
        if primary_is == "read-only":
            with psycopg.connect(self.primary.url, autocommit=True) as primary:
                primary.execute("ALTER SYSTEM SET default_transaction_read_only = on")
                primary.execute("SELECT pg_reload_conf()")
        else:
            self.primary.crash()
        self._control("promote")

    def stop(self) -> None:
        if (self.folder / "postmaster.pid").exists():
            self._control("stop", "-m", "immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _host(self) -> str:
        return str(self._parts["host"])

    @property
    def _port(self) -> str:
        return str(self._parts["port"])

    @property
    def _parts(self) -> dict[str, Any]:
        return psycopg.conninfo.conninfo_to_dict(self.primary.url)

    def _control(self, *words: str) -> None:
        self.primary.execute("pg_ctl", "-w", "-D", str(self.folder), "-l", f"{self.folder}/log", *words)


@contextmanager
def followed(primary: Server) -> Iterator[Standby]:
    """A standby of *primary*."""
    standby = Standby(primary, primary.folder.parent / f"jobkit-postgres-standby-{secrets.token_hex(4)}")
    try:
        standby.start()
        yield standby
    finally:
        standby.stop()
