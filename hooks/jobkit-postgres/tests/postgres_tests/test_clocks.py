"""Hosts whose clocks are wrong: everything is judged by the server's."""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path

import pytest
from postgres_tests.deployments import Deployment, deployed
from postgres_tests.server import Server

pytestmark = pytest.mark.waits

#: Two seconds apart, and one five minutes ahead.
CLOCKS = (0.0, -2.0, 2.0, 300.0)

# When each run of a tick was claimed by the server's clock, in microseconds after its tick.
_DELAYS = "SELECT queued_at - tick FROM jobkit.runs WHERE tick IS NOT NULL AND trigger = 'schedule'"


def test_clocks_that_differ_change_nothing(own_server: Server, tmp_path: Path) -> None:
    """Nobody claims a tick before its time, none is claimed twice or missing, also when the server crashes
    and the scheduler that is five minutes ahead is killed; a pause holds from the moment it is said."""
    with deployed(tmp_path, own_server, jobs=20, clocks=CLOCKS) as deployment:
        for number, ahead in enumerate(CLOCKS):
            assert abs(_shown(deployment, number) - ahead) < 60, "that clock is wrong"
        since = deployment.restart(3, ahead=300.0)
        own_server.restart("immediate")
        deployment.until(f"SELECT 1 FROM jobkit.runs WHERE node = 'node-3' AND started_at > {since}")
        deployment.until_caught_up()

        deployment.jobkit("pause", "-y", ahead=300.0)
        since = deployment.value("SELECT max(since) FROM jobkit.pauses")
        assert abs(since - deployment.value("SELECT jobkit.instant()")) < 60_000_000
        deployment.until(f"SELECT 1 WHERE jobkit.instant() > {since} + 3000000")
        assert deployment.rows(f"SELECT job FROM jobkit.runs WHERE tick > {since} + 1000000") == []
        assert deployment.stop() == [0] * len(CLOCKS), deployment.said()

        deployment.check_ledger()
        deployment.check_recorded()
        deployment.check_misfires()
        deployment.check_shares()
        assert deployment.value(f"SELECT min(queue.at) FROM ({_DELAYS}) AS queue (at)") >= -1_000_000
        assert deployment.rows("SELECT data FROM jobkit.events WHERE kind = 'clock.stepped'") == []
        backward = "SELECT id FROM jobkit.runs WHERE started_at < queued_at OR finished_at < started_at"
        assert deployment.rows(backward) == []


@pytest.mark.parametrize("ahead", [90.0, -300.0])
def test_a_scheduler_alone_goes_by_the_clock_of_the_server(
    own_server: Server, tmp_path: Path, ahead: float
) -> None:
    """Its own is minutes off: nothing is early or late, retries come when they are to come, time limits hold
    in a process of its own, and what is written shows the server's time."""
    with deployed(tmp_path, own_server, jobs=5, clocks=[ahead]) as deployment:
        for job in ("second_time", "apart"):
            deployment.jobkit("run", job, "--queue", ahead=-ahead)
        for job in ("second_time", "apart"):
            deployment.until(f"SELECT 1 FROM jobkit.runs WHERE job = '{job}' AND status = 'succeeded'")
        deployment.jobkit("health", "--strict")
        assert deployment.stop() == [0], deployment.said()

        deployment.check_ledger()
        deployment.check_recorded()
        assert deployment.value(f"SELECT min(queue.at) FROM ({_DELAYS}) AS queue (at)") >= -1_000_000
        assert abs(_shown(deployment, 0) - ahead) < 60, "its clock is wrong"
        now = deployment.value("SELECT jobkit.instant()")
        for table, column in (
            ("runs", "queued_at"),
            ("runs", "started_at"),
            ("runs", "finished_at"),
            ("attempts", "finished_at"),
            ("log_lines", "at"),
            ("events", "at"),
            ("job_states", "since"),
        ):
            oldest, newest = deployment.rows(f"SELECT min({column}), max({column}) FROM jobkit.{table}")[0]
            assert now - 100_000_000 < oldest <= newest < now + 1_000_000, f"{table}.{column}"


def _shown(deployment: Deployment, number: int) -> float:
    """By how many seconds the first line that a scheduler has said is ahead of its host's clock."""
    first = json.loads(deployment.log(number).read_text(encoding="utf-8").splitlines()[0])
    return datetime.fromisoformat(first["timestamp"]).timestamp() - time.time()
