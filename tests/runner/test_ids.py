"""The ids of runs."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import jobkit
from jobkit.records import new_run_id

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)

FORKS = r"""
import os
from datetime import UTC, datetime
from jobkit.records import new_run_id

now = datetime.now(UTC)
new_run_id(now)
child = os.fork()
os.write(1, f"{new_run_id(now)}\n".encode())  # whole lines, from two processes
if child:
    os.waitpid(child, 0)
"""


def test_an_id_is_a_uuid_of_version_seven_with_its_time() -> None:
    """Any tool that knows UUIDs can read it."""
    number = UUID(new_run_id(NOW))
    assert (number.version, number.variant) == (7, "specified in RFC 4122")
    assert datetime.fromtimestamp((number.int >> 80) / 1000, UTC) == NOW


def test_ids_sort_by_time() -> None:
    """To the millisecond."""
    times = [NOW + timedelta(milliseconds=step) for step in range(100)]
    ids = [new_run_id(at) for at in times]
    assert ids == sorted(ids)


def test_a_job_that_seeds_random_gets_no_old_ids() -> None:
    """They have a generator of their own."""
    found = set()
    for _ in range(3):
        random.seed(42)
        found.add(new_run_id(NOW))
    assert len(found) == 3


def test_a_fork_does_not_repeat_its_parents_ids() -> None:
    """Both go on with numbers of their own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(jobkit.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", FORKS], capture_output=True, text=True, env=environment, check=True
    )
    assert len(set(done.stdout.split())) == 2
