"""A scheduler that is told to stop, and is kept from it: it ends in time all the same, and says how."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.accounts import read_books
from tests.faults.conftest import Place

pytestmark = pytest.mark.faults

#: Seconds: the grace is one of them, and what comes after it is to fit into the 28 s of a whole one of 20.
GRACE = 1.0
AFTER = 8.0

JOBS = """
import asyncio
import time
from jobkit import submit_job

@submit_job
async def blocking(ctx):
    while True:
        time.sleep(0.1)

@submit_job
async def long(ctx):
    await asyncio.sleep(3600)
"""


@contextmanager
def stopped(place: Place, job: str) -> Iterator[None]:
    """After the block, a scheduler that executes *job* is told to stop, and has to end in time."""
    (place.root / "extensions/faults/jobs/more.py").write_text(JOBS)
    path = place.root / "jobkit.toml"
    path.write_text(path.read_text() + f'shutdown_grace = "{GRACE}s"\n')
    process = place.start()
    assert place.jobkit("run", job, "--queue").returncode == 0
    time.sleep(1)
    yield
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    place.codes.append(process.wait(GRACE + AFTER + 10))
    assert time.monotonic() - began < GRACE + AFTER, place.log.read_text()


def test_a_job_that_holds_the_event_loop(place: Place) -> None:
    """Everything is recorded, and the exit code says so."""
    with stopped(place, "blocking"):
        pass
    assert place.codes == [0], place.log.read_text()
    assert read_books(place.root).unended() == []


def test_a_store_that_is_away(place: Place) -> None:
    """What could not be recorded shows in the exit code; it is lost, and nothing stays running."""
    lock = sqlite3.connect(place.root / ".jobkit" / "jobkit.db", isolation_level=None)
    with stopped(place, "long"):
        lock.execute("BEGIN EXCLUSIVE")
    lock.execute("ROLLBACK")
    lock.close()
    assert place.codes in ([1], [2]), place.log.read_text()
    assert place.jobkit("history").returncode == 0
    assert read_books(place.root).unended() == []
