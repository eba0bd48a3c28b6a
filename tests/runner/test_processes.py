"""A job in a process of its own: it does what others do, and it can be killed."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from jobkit import RunStatus
from jobkit.project import Project
from jobkit.runner import Runner
from jobkit.stores.base import RunQuery
from jobkit.stores.memory import MemoryStore

JOBS = """
import ctypes, os, signal, subprocess, sys, time
from datetime import date
import anyio
from jobkit import ChildRunFailed, Job, JobResult, RunRefused, Secret, UsageError, submit_job

@submit_job(executor="process")
async def everything(ctx, project, *, day: date, key: Secret = Secret("")):
    print("printed", key)
    ctx.log.info("logged", pid=os.getpid())
    ctx.progress(1, 2, "half")
    one = await ctx.run_job("child", number=1)
    two = await ctx.run_job(child, {"number": 2})
    try:
        await ctx.run_job("broken")
    except ChildRunFailed as failed:
        three = failed.record
    for wrong, error in (("nobody", UsageError), ("everything", RunRefused)):
        try:
            await ctx.run_job(wrong)
        except error:
            pass
    data = {"pid": os.getpid(), "day": day, "project": project, "key": len(key), "attempt": ctx.attempt}
    return JobResult.success(f"{one.message}, {two.message}, {three.status}").with_stats(3).with_data(data)

@submit_job
async def child(ctx, *, number: int):
    return JobResult.success(f"child {number}")

@submit_job
async def broken(ctx):
    raise ValueError("no")

@submit_job(executor="process")
def plain(ctx):
    return JobResult.success(ctx.run_job_sync("child", number=3).message)

@submit_job(executor="process")
class Classy(Job):
    async def execute(self, ctx):
        raise LookupError("no")

@submit_job(executor="process")
def crashes(ctx):
    ctypes.string_at(0)

@submit_job(executor="process", retries=1)
def leaves(ctx):
    if ctx.attempt == 1:
        os._exit(3)

@submit_job(executor="process")
async def closes_everything(ctx):
    sys.stdout.close()
    os.closerange(0, 3)
    return JobResult.success("still here")

@submit_job(executor="process")
async def holds_its_loop(ctx, project):
    (project / "begun").write_text("")
    time.sleep(600)

@submit_job(executor="process")
async def cleans_up(ctx, project):
    (project / "begun").write_text("")
    try:
        await anyio.sleep(600)
    finally:
        ctx.log.info("cleaned up")

@submit_job(executor="process")
def does_not_end(ctx, project):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (project / "child").write_text(str(child.pid))
    (project / "begun").write_text("")
    time.sleep(600)

@submit_job(executor="process")
async def asks_for_what_is_not_there(ctx, nothing):
    pass

@submit_job(executor="process")
async def is_a_parent(ctx):
    await ctx.run_job("waits")

@submit_job
async def waits(ctx, project):
    (project / "begun").write_text("")
    await anyio.sleep(600)
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project with those jobs."""
    jobs = tmp_path / "extensions" / "web" / "jobs"
    jobs.mkdir(parents=True)
    (tmp_path / "jobkit.toml").touch()
    (jobs / "jobs.py").write_text(JOBS)
    with Project.load(tmp_path) as loaded:
        yield loaded


@pytest.fixture
async def here(project: Project, memory: MemoryStore) -> AsyncIterator[Runner]:
    """A runner of that project."""
    async with Runner(project.jobs, memory, config=project.config) as entered:
        yield entered


async def test_it_does_what_other_jobs_do(project: Project, here: Runner, memory: MemoryStore) -> None:
    """Parameters, services, log lines, progress, children, results: all of it crosses the pipe."""
    record = await here.run(project.jobs["everything"], {"day": "2026-01-02", "key": "correct-horse-battery"})
    assert (record.status, record.message) == ("succeeded", "child 1, child 2, failed")
    data = dict(record.data)
    assert data.pop("pid") != os.getpid()
    assert data == {"day": "2026-01-02", "project": str(project.root), "key": 21, "attempt": 1}
    assert record.processed == 3
    assert record.parameters == {"day": "2026-01-02", "key": {"secret": "key"}}
    assert record.progress is not None
    assert record.progress.message == "half"
    lines = {line.event: line for line in await memory.log_lines(record.id)}
    assert (lines["printed ***"].source, lines["logged"].source) == ("stdout", "log")
    runs = (await memory.runs(RunQuery(parent=record.id))).runs
    assert [(run.job, str(run.status)) for run in reversed(runs)] == [
        ("child", "succeeded"),
        ("child", "succeeded"),
        ("broken", "failed"),
    ]


async def test_a_plain_function_and_a_class_work_too(project: Project, here: Runner) -> None:
    """A function in a thread of that process; an error with the user's frames."""
    assert (await here.run(project.jobs["plain"])).message == "child 3"
    record = await here.run(project.jobs["classy"])
    assert record.error is not None
    assert (record.error.type, record.error.message) == ("LookupError", "no")
    assert "in execute" in (record.error.traceback or "")


async def test_a_crash_is_a_failed_run_that_names_the_signal(project: Project, here: Runner) -> None:
    """Whatever kills the process, only this run has failed."""
    record = await here.run(project.jobs["crashes"])
    assert record.status is RunStatus.FAILED
    assert record.message == "ChildProcessError: the process of the job was ended by signal SIGSEGV (11)"


async def test_a_process_that_leaves_has_failed_and_is_tried_again(
    project: Project, here: Runner, memory: MemoryStore
) -> None:
    """``os._exit`` in a job is no success."""
    record = await here.run(project.jobs["leaves"])
    assert (record.status, record.attempt) == ("succeeded", 2)
    first = (await memory.attempts(record.id))[0]
    assert first.message == "ChildProcessError: the process of the job ended itself, with exit code 3"


async def test_a_job_may_close_its_standard_streams(project: Project, here: Runner) -> None:
    """They are not what its process talks through."""
    assert (await here.run(project.jobs["closes_everything"])).message == "still here"


async def until(true: Callable[[], bool]) -> None:
    """Until it is so; about other processes nobody but the system can tell."""
    while not true():  # noqa: ASYNC110
        await anyio.sleep(0.02)


async def begun(project: Project) -> None:
    """Until a job has said that it is at work."""
    await until((project.root / "begun").exists)


def runs_still(pid: int) -> bool:
    """Whether there is a process of that id; one that nobody has asked about its end does not count."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("job", "message"),
    [
        ("holds_its_loop", "it was interrupted; its process was killed"),
        ("cleans_up", "it was interrupted"),
        ("does_not_end", "it was interrupted"),
    ],
)
async def test_cancelling_ends_the_process_whatever_it_does(
    project: Project, here: Runner, memory: MemoryStore, job: str, message: str
) -> None:
    """It may clean up; if it does not answer, it is killed, with all that it has started."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(here.run, project.jobs[job])
        await begun(project)
        tasks.cancel_scope.cancel()
    run = (await memory.last_runs())[job]
    assert (run.status, run.reason, run.message) == ("cancelled", "interrupted", message)
    events = {line.event: line for line in await memory.log_lines(run.id)}
    assert ("cleaned up" in events) is (job == "cleans_up")
    if job == "does_not_end":
        with anyio.fail_after(10):
            await until(lambda: not runs_still(int((project.root / "child").read_text())))


async def test_an_attempt_that_takes_too_long_is_killed(project: Project, here: Runner) -> None:
    """Also one that holds its event loop; the timeout covers the start of its process."""
    with anyio.fail_after(30):
        record = await here.run(project.jobs["holds_its_loop"], timeout="2s")
    assert record.status is RunStatus.TIMED_OUT
    assert record.message == "it did not end within 2s; its process was killed"
    assert (record.duration_ms or 0) >= 2000


async def test_its_children_are_cancelled_with_it(
    project: Project, here: Runner, memory: MemoryStore
) -> None:
    """They run in this process, and are recorded here."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(here.run, project.jobs["is_a_parent"])
        await begun(project)
        tasks.cancel_scope.cancel()
    runs = {name: (str(run.status), run.reason) for name, run in (await memory.last_runs()).items()}
    assert runs == {"is_a_parent": ("cancelled", "interrupted"), "waits": ("cancelled", "parent")}


async def test_a_job_that_its_process_cannot_load_says_why(project: Project, here: Runner) -> None:
    """The file was changed since, or the job lacks something there."""
    (project.root / "extensions" / "web" / "jobs" / "jobs.py").write_text("def broken(:")
    record = await here.run(project.jobs["plain"])
    assert (record.status, record.error and record.error.type) == ("failed", "jobkit.exceptions.RunError")
    assert "its process could not load the job plain" in (record.message or "")
    assert "jobs.py" in (record.message or "") or "syntax" in (record.message or "")


async def test_an_open_object_does_not_cross_the_pipe(project: Project, memory: MemoryStore) -> None:
    """A job in a process opens its own services, and says what is missing there."""
    services: dict[str | type, Any] = {"nothing": object()}
    async with Runner(project.jobs, memory, config=project.config, services=services) as here:
        record = await here.run(project.jobs["asks_for_what_is_not_there"])
    assert record.status is RunStatus.FAILED
    assert "`nothing`" in (record.message or "")
