"""A project whose jobs do what jobs do to a scheduler, and write down each time that they are executed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from textwrap import dedent

JOBS = '''
import asyncio
import json
import os
import time
from datetime import UTC, datetime

from jobkit import JobContext, Retry, submit_job

WITNESS = os.environ["WITNESS"]


def witness(ctx: JobContext) -> None:
    """One line for each execution: what really happened, whatever the store says."""
    tick = None if ctx.scheduled_at is None else ctx.scheduled_at.isoformat()
    line = json.dumps(
        [ctx.job.name, tick, ctx.run_id, ctx.attempt, ctx.trigger, datetime.now(UTC).isoformat(), os.getpid()]
    )
    descriptor = os.open(WITNESS, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, (line + "\\n").encode())
    finally:
        os.close(descriptor)


@submit_job(schedule="* * * * * *")
async def every_second(ctx):
    witness(ctx)


@submit_job(schedule="*/5 * * * * *")
async def overlapping(ctx):
    witness(ctx)
    await asyncio.sleep(7)


@submit_job(schedule="*/3 * * * * *", retries=Retry(2, delay="200ms", jitter=False))
async def failing(ctx):
    witness(ctx)
    raise ValueError("it always does")


@submit_job(schedule="*/4 * * * * *", timeout="1s")
async def hanging(ctx):
    witness(ctx)
    await asyncio.sleep(3600)


@submit_job(schedule="*/2 * * * * *")
def in_a_thread(ctx):
    witness(ctx)
    time.sleep(0.3)


@submit_job(schedule="* * * * * *", misfire="all", misfire_grace="1h")
async def every_one(ctx):
    witness(ctx)


@submit_job(schedule="* * * * * *")
async def paused(ctx):
    witness(ctx)
'''

#: By name: the period of its ticks in seconds, and how many attempts a run may have.
PERIODS = {
    "every_second": 1,
    "overlapping": 5,
    "failing": 3,
    "hanging": 4,
    "in_a_thread": 2,
    "every_one": 1,
    "paused": 1,
}
ATTEMPTS = {"failing": 3}


def write_project(root: Path) -> Path:
    """The project below *root*."""
    folder = root / "extensions" / "faults" / "jobs"
    folder.mkdir(parents=True)
    (folder / "jobs.py").write_text(dedent(JOBS))
    (root / "jobkit.toml").write_text('[project]\nname = "faults"\n\n[scheduler]\nnode = "here"\n')
    return root


@dataclass(frozen=True)
class Execution:
    """What a job wrote down of itself."""

    job: str
    tick: datetime | None
    run_id: str
    attempt: int
    trigger: str
    at: datetime
    pid: int


def executions(witness: Path) -> list[Execution]:
    """Everything that was executed, in order."""
    import json

    found = []
    for line in witness.read_text().splitlines():
        job, tick, run_id, attempt, trigger, at, pid = json.loads(line)
        when = None if tick is None else datetime.fromisoformat(tick)
        found.append(Execution(job, when, run_id, attempt, trigger, datetime.fromisoformat(at), pid))
    return found
