"""A job in a process of its own: it works in real time, by the virtual wall clock, and holds the time."""

from __future__ import annotations

from pathlib import Path

from tests.testing.test_jobkit_run import passes

JOBS = """
import time
import anyio
from jobkit import JobContext, JobResult, submit_job

@submit_job(executor="process", timeout="1h")
def in_process(ctx: JobContext) -> JobResult:
    time.sleep(0.05)
    return JobResult.success(f"{ctx.clock.now():%Y-%m-%d}")

@submit_job
async def sleeps(ctx: JobContext) -> None:
    await anyio.sleep(3600)

@submit_job(executor="process")
def has_a_child(ctx: JobContext) -> JobResult:
    return JobResult.success(str(ctx.run_job_sync("sleeps").duration_ms))
"""

TEST = """
def test_it_takes_no_virtual_time(jobkit_run, virtual_clock):
    record = jobkit_run("in_process")
    assert (str(record.status), record.message) == ("succeeded", "2026-01-01"), record
    assert virtual_clock.monotonic() == 0

def test_while_it_waits_for_a_child_run_time_passes(jobkit_run, virtual_clock):
    record = jobkit_run("has_a_child")
    assert (str(record.status), record.message) == ("succeeded", "3600000"), record
"""


def test_processes_in_virtual_time(tmp_path: Path) -> None:
    """Neither its timeout nor its child run takes any real time, and its date is the virtual one."""
    (tmp_path / "extensions/web/jobs").mkdir(parents=True)
    (tmp_path / "extensions/web/jobs/jobs.py").write_text(JOBS)
    (tmp_path / "jobkit.toml").touch()
    (tmp_path / "tests").mkdir()
    passes(tmp_path, TEST)
