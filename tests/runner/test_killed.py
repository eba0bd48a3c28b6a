"""A process that is killed in the middle of a run: nothing stays running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import jobkit
from jobkit.runner import settle_dead
from jobkit.stores.base import RunQuery
from jobkit.stores.opening import open_store

JOB = """
from jobkit import submit_job
import anyio, sys

@submit_job(retries=3)
async def parent(ctx):
    ctx.log.info("about to wait")
    await ctx.run_job("child")

@submit_job
async def child(ctx):
    ctx.log.info("waiting")
    await anyio.sleep(0.6)
    sys.__stdout__.write("ready\\n")
    sys.__stdout__.flush()
    await anyio.sleep(600)
"""

PROGRAM = """
import anyio, sys
from jobkit.project import Project
from jobkit.runner import Runner

async def main():
    project = Project.load(sys.argv[1])
    async with project.open_store() as store, Runner(project.jobs, store, config=project.config) as runner:
        await runner.run(project.jobs["parent"])

anyio.run(main)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a job that waits in a child run."""
    jobs = tmp_path / "extensions" / "web" / "jobs"
    jobs.mkdir(parents=True)
    (tmp_path / "jobkit.toml").write_text('[project]\nname = "tests"\n')
    (jobs / "waiting.py").write_text(JOB)
    return tmp_path


@pytest.fixture
def killed(project: Path) -> Path:
    """The project, after the process that ran its jobs was killed in the middle of both."""
    environment = {**os.environ, "PYTHONPATH": str(Path(jobkit.__file__).parents[1])}
    command = [sys.executable, "-c", PROGRAM, str(project)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert ready == b"ready\n"
    return project


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_after_kill_9_the_runs_are_lost_and_keep_their_lines(killed: Path) -> None:
    """The parent although it had attempts left, for it was tied to its process; its child with it."""
    async with open_store("sqlite:///.jobkit/jobkit.db", project="tests", root=killed) as store:
        before = {run.job: str(run.status) for run in (await store.runs(RunQuery())).runs}
        assert before == {"parent": "running", "child": "running"}
        await settle_dead(store)
        runs = {run.job: run for run in (await store.runs(RunQuery())).runs}
        assert {name: str(run.status) for name, run in runs.items()} == {"parent": "lost", "child": "lost"}
        assert await store.open_leases() == []
        lines = [line.event for run in runs.values() for line in await store.log_lines(run.id)]
        assert {"about to wait", "waiting"} <= set(lines)
