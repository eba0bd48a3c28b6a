"""Processes that use the same file, and die when they are told to."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import IO

# What every child begins with: a store on the file that it was told, and words for what it does.
PRELUDE = """
import anyio, json, os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from jobkit.exceptions import StoreError
from jobkit.processes import ProcessIdentity
from jobkit.records import new_run_id
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import LeaseRequest, NewRun, Outcome, RunQuery
from jobkit.stores.sqlite.store import SqliteStore

path = Path(sys.argv[1])
store = SqliteStore(path, project="shop", root=path.parent)
request = LeaseRequest(ProcessIdentity.current(), "node")

def say(*words):
    print(json.dumps(words), flush=True)

def new(**options):
    id = new_run_id(datetime.now(UTC))
    return NewRun(id=id, job="job", extension="web", trigger=Trigger.MANUAL, **options)

def done():
    return Outcome(status=RunStatus.SUCCEEDED, finished_at=datetime.now(UTC), duration_ms=1)
"""


class Child:
    """A process that runs *script*; its answers are lines of JSON."""

    def __init__(self, script: str, path: Path, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + script, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    @property
    def output(self) -> IO[str]:
        assert self.process.stdout is not None
        return self.process.stdout

    def go_on(self) -> None:
        """Let a child that waits for a line of input continue."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def answers(self) -> list[list[object]]:
        """All that it said, once it has ended well."""
        output, errors = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, errors
        return [json.loads(line) for line in output.splitlines()]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


def is_whole(path: Path) -> bool:
    """Whether SQLite finds nothing wrong with the database."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        broken_links = connection.execute("PRAGMA foreign_key_check").fetchall()
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)] and not broken_links
