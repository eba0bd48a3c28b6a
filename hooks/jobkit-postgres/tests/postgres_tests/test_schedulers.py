"""Several `jobkit start` on one database, killed and restarted, and the server with them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from postgres_tests.kit import made
from postgres_tests.server import Server

REPLICAS, JOBS = 4, 50

_JOBS = """
import asyncio
from jobkit import submit_job

def made(number):
    async def job(ctx):
        await asyncio.sleep(0.05)
    job.__name__ = f"job_{number}"
    return job

for number in range(%d):
    submit_job(made(number), schedule="* * * * * *")

@submit_job
async def endless(ctx):
    await asyncio.sleep(600)
"""

_DUE = """
SELECT job, (max(at) - min(at)) / 1000000 + 1, sum(count)
FROM (
    SELECT job, tick AS at, 1 AS count FROM jobkit.runs WHERE tick IS NOT NULL
    UNION ALL
    SELECT job, unnest(ARRAY[first, last]), unnest(ARRAY[count, 0]) FROM jobkit.spans
) AS ticks GROUP BY job
"""


class Deployment:
    """A project, and the processes that serve it."""

    def __init__(self, root: Path, server: Server) -> None:
        self.root = root
        self.server = server
        self.processes: list[subprocess.Popen[bytes]] = []
        folder = root / "extensions" / "shop" / "jobs"
        folder.mkdir(parents=True)
        (folder / "jobs.py").write_text(_JOBS % JOBS, encoding="utf-8")
        (root / "jobkit.toml").write_text(
            f'[project]\nname = "shop"\n[scheduler]\nstore = "{server.url}"\n', encoding="utf-8"
        )

    def start(self) -> subprocess.Popen[bytes]:
        """One more scheduler, a node of its own."""
        number = len(self.processes)
        log = (self.root / f"start-{number}.log").open("wb")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", "jobkit", "-C", str(self.root), "start"],
                env=_environment() | {"JOBKIT__SCHEDULER__NODE": f"node-{number}"},
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def jobkit(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "jobkit", "-C", str(self.root), *words],
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.server.url) as connection:
            return connection.execute(statement.encode()).fetchall()

    def until(self, statement: str, seconds: float = 40.0) -> None:
        """Wait until *statement* finds something."""
        end = time.monotonic() + seconds
        while not self.rows(statement):
            assert time.monotonic() < end, f"{statement}\n{self.said()}"
            time.sleep(0.05)

    def stop(self) -> list[int]:
        """As a service manager stops them; their exit codes."""
        living = [process for process in self.processes if process.poll() is None]
        for process in living:
            process.send_signal(signal.SIGTERM)
        return [process.wait(40) for process in living]

    def said(self) -> str:
        logs = sorted(self.root.glob("start-*.log"))
        lines = [line for log in logs for line in log.read_text(errors="replace").splitlines()]
        return "\n".join(line for line in lines if '"run.' not in line)


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBKIT_")}
    return kept | {"PYTHONDONTWRITEBYTECODE": "1"}


@contextmanager
def deployed(root: Path, server: Server) -> Iterator[Deployment]:
    """Four schedulers that all have begun to work."""
    made(server, "jobkit", "shop")
    deployment = Deployment(root, server)
    try:
        for _ in range(REPLICAS):
            deployment.start()
        deployment.until(
            f"SELECT 1 FROM jobkit.runs WHERE tick IS NOT NULL HAVING count(DISTINCT node) = {REPLICAS}"
        )
        yield deployment
    finally:
        for process in deployment.processes:
            if process.poll() is None:
                process.kill()
                process.wait()


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(30.0, id="half a minute"),
        pytest.param(600.0, id="ten minutes", marks=[pytest.mark.faults, pytest.mark.timeout(900)]),
    ],
)
def test_no_tick_twice_and_none_missing(own_server: Server, tmp_path: Path, seconds: float) -> None:
    """Whatever is killed meanwhile: schedulers without a word, and the server three times."""
    with deployed(tmp_path, own_server) as deployment:
        for turn in range(3):
            time.sleep(seconds / 4)
            killed = deployment.processes[turn]
            killed.kill()
            killed.wait()
            deployment.start()
            own_server.restart("immediate")
            deployment.until(f"SELECT 1 FROM jobkit.runs WHERE node = 'node-{REPLICAS + turn}'")
        time.sleep(seconds / 4)
        living = [process for process in deployment.processes if process.poll() is None]
        assert len(living) == REPLICAS, deployment.said()
        assert deployment.stop() == [0] * REPLICAS, deployment.said()

        wrong = [row for row in deployment.rows(_DUE) if row[1] != row[2]]
        assert not wrong, "ticks that were due, and ticks that are accounted for"
        assert len(deployment.rows(_DUE)) == JOBS
        twice = "SELECT job, tick FROM jobkit.runs WHERE tick IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1"
        assert deployment.rows(twice) == []
        assert deployment.rows("SELECT id FROM jobkit.runs WHERE status = 'running'") == []
        nodes = deployment.rows("SELECT DISTINCT node FROM jobkit.runs WHERE status = 'succeeded'")
        assert len(nodes) == REPLICAS + 3, "work is spread over all of them"


def test_what_is_asked_on_one_host_is_heard_on_the_others(own_server: Server, tmp_path: Path) -> None:
    """A pause stops all of them within a second; a cancellation reaches the one that runs the run."""
    with deployed(tmp_path, own_server) as deployment:
        assert deployment.jobkit("run", "endless", "--queue").returncode == 0
        deployment.until("SELECT 1 FROM jobkit.runs WHERE job = 'endless' AND status = 'running'")
        [(number,)] = deployment.rows("SELECT number FROM jobkit.runs WHERE job = 'endless'")
        assert deployment.jobkit("cancel", str(number)).returncode == 0
        deployment.until("SELECT 1 FROM jobkit.runs WHERE job = 'endless' AND status = 'cancelled'", 5)

        paused = deployment.jobkit("pause")
        assert paused.returncode == 0, paused.stderr
        time.sleep(3)
        late = deployment.rows(
            "SELECT job FROM jobkit.runs WHERE tick > (SELECT max(since) + 1000000 FROM jobkit.pauses)"
        )
        assert late == [], json.dumps(late)
        assert deployment.stop() == [0] * REPLICAS
