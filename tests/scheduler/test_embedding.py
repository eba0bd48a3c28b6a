"""A scheduler inside a program of somebody else."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

import jobkit
from jobkit import Project, Scheduler
from jobkit.exceptions import ParameterError, UsageError
from jobkit.processes import ProcessIdentity
from jobkit.records import new_run_id
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import LeaseRequest, NewRun, RunQuery

pytestmark = pytest.mark.waits

DOCS = Path(jobkit.__file__).parents[1] / "docs" / "how-to" / "embed-the-scheduler.md"
JOBS = '''
import anyio
from jobkit import submit_job

@submit_job(schedule="* * * * * *")
async def ticking(ctx):
    """Each second."""

@submit_job
async def greet(ctx, *, whom: str = "world"):
    ctx.log.info("hello", whom=whom)

@submit_job(enabled=False)
async def uses_pool(ctx, pool):
    await pool.query("select 1")

@submit_job(overlap="queue")
async def one_by_one(ctx):
    """Nothing."""

@submit_job
async def endless(ctx):
    await anyio.sleep_forever()
'''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with some jobs."""
    folder = tmp_path / "extensions" / "web" / "jobs"
    folder.mkdir(parents=True)
    (folder / "jobs.py").write_text(JOBS)
    (tmp_path / "jobkit.toml").write_text('[project]\nname = "shop"\n[scheduler]\nshutdown_grace = "1s"\n')
    return tmp_path


@pytest.fixture
def project(root: Path) -> Iterator[Project]:
    """That project, loaded."""
    with Project.load(root) as loaded:
        yield loaded


class Pool:
    """What a program has opened itself."""

    def __init__(self) -> None:
        self.queries: list[str] = []

    async def query(self, text: str) -> None:
        self.queries.append(text)


async def test_run_executes_here_and_now(project: Project) -> None:
    """Before anything is served; the record is that of history."""
    async with Scheduler(project) as scheduler:
        record = await scheduler.run("greet", {"whom": "you"})
        assert (record.status, record.trigger) == (RunStatus.SUCCEEDED, Trigger.MANUAL)
        assert record.parameters == {"whom": "you"}
        assert scheduler.state == "entered"


async def test_no_tick_fires_outside_of_serve_until(project: Project) -> None:
    """Entering accepts runs, and that is all."""
    async with Scheduler(project) as scheduler:
        await anyio.sleep(1.2)
        assert scheduler.state == "entered"
    async with project.open_store() as store:
        assert await store.last_runs() == {}


async def test_ticks_fire_until_the_event_is_set(project: Project) -> None:
    """Inside ``serve_until`` the every-second job runs; after it nothing does."""
    async with Scheduler(project) as scheduler, anyio.create_task_group() as tasks:
        stop = anyio.Event()
        tasks.start_soon(scheduler.serve_until, stop)
        await anyio.sleep(2.3)
        assert scheduler.state == "serving"
        stop.set()
    assert scheduler.state == "stopped"
    async with project.open_store() as store:
        last = await store.last_runs()
        assert last["ticking"].trigger is Trigger.SCHEDULE
        assert set(last) == {"ticking"}


async def test_what_is_queued_is_executed_by_who_serves(project: Project) -> None:
    """``enqueue`` returns at once with a queued run, trigger ``api``."""
    async with Scheduler(project) as scheduler, anyio.create_task_group() as tasks:
        stop = anyio.Event()
        queued = await scheduler.enqueue("greet")
        assert (queued.status, queued.trigger) == (RunStatus.QUEUED, Trigger.API)
        tasks.start_soon(scheduler.serve_until, stop)
        async with project.open_store() as store:
            with anyio.fail_after(10):
                while (await store.run(queued.id)).status is not RunStatus.SUCCEEDED:  # noqa: ASYNC110
                    await anyio.sleep(0.02)
        stop.set()


async def test_project_enqueue_reaches_a_scheduler(project: Project) -> None:
    """Synchronous, from anywhere; it is woken, and does not wait for its next look."""
    async with Scheduler(project) as scheduler, anyio.create_task_group() as tasks:
        stop = anyio.Event()
        tasks.start_soon(scheduler.serve_until, stop)
        queued = await anyio.to_thread.run_sync(project.enqueue, "greet", {"whom": "us"})
        async with project.open_store() as store:
            with anyio.fail_after(4):
                while not (await store.run(queued.id)).status.finished:  # noqa: ASYNC110
                    await anyio.sleep(0.02)
        stop.set()


async def test_a_run_that_waits_for_a_dead_process_is_executed(project: Project) -> None:
    """Nobody serves, so whoever waits ends what the dead has left."""
    dead = replace(ProcessIdentity.current(), started="long ago")
    async with Scheduler(project) as scheduler, project.open_store() as store:
        left = NewRun(
            id=new_run_id(datetime.now(UTC)), job="one_by_one", extension="web", trigger=Trigger.MANUAL
        )
        record, _ = await store.add_and_start(left, LeaseRequest(dead, "here"), overlap="queue")
        with anyio.fail_after(10):
            assert (await scheduler.run("one_by_one")).status is RunStatus.SUCCEEDED
        assert (await store.run(record.id)).status is RunStatus.LOST


async def test_jobs_get_the_objects_of_the_program(project: Project) -> None:
    """By name, where no service of that name exists: the job had an error until now."""
    assert project.jobs["uses_pool"].error is not None
    pool = Pool()
    async with Scheduler(project, services={"pool": pool}) as scheduler:
        assert (await scheduler.run("uses_pool")).status is RunStatus.SUCCEEDED
    assert pool.queries == ["select 1"]


async def test_stopping_cancels_what_does_not_end(project: Project) -> None:
    """After the grace: ``cancelled``, reason ``shutdown``, recorded before ``serve_until`` returns."""
    async with Scheduler(project) as scheduler, anyio.create_task_group() as tasks:
        stop = anyio.Event()
        queued = await scheduler.enqueue("endless")
        tasks.start_soon(scheduler.serve_until, stop)
        async with project.open_store() as store:
            with anyio.fail_after(10):
                while (await store.run(queued.id)).status is not RunStatus.RUNNING:  # noqa: ASYNC110
                    await anyio.sleep(0.02)
            stop.set()
            with anyio.fail_after(10):
                while scheduler.state != "stopped":  # noqa: ASYNC110
                    await anyio.sleep(0.02)
            record = await store.run(queued.id)
    assert (record.status, record.reason) == (RunStatus.CANCELLED, "shutdown")


async def test_cancelling_serve_until_ends_it_in_order(project: Project) -> None:
    """Without the grace, with everything recorded and the replica gone."""
    async with Scheduler(project) as scheduler:
        queued = await scheduler.enqueue("endless")
        async with project.open_store() as store:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(scheduler.serve_until, anyio.Event())
                with anyio.fail_after(10):
                    while (await store.run(queued.id)).status is not RunStatus.RUNNING:  # noqa: ASYNC110
                        await anyio.sleep(0.02)
                tasks.cancel_scope.cancel()
            record = await store.run(queued.id)
            assert (record.status, record.reason) == (RunStatus.CANCELLED, "shutdown")
            assert not any(replica.live for replica in await store.replicas())


async def test_it_can_serve_again(project: Project) -> None:
    """As another replica: the first one has ended."""
    async with Scheduler(project) as scheduler:
        for _ in range(2):
            async with anyio.create_task_group() as tasks:
                stop = anyio.Event()
                tasks.start_soon(scheduler.serve_until, stop)
                with anyio.fail_after(10):
                    while scheduler.state != "serving":  # noqa: ASYNC110
                        await anyio.sleep(0.01)
                stop.set()
        async with project.open_store() as store:
            assert len(await store.replicas()) == 2


async def test_no_handler_of_a_signal_is_touched(project: Project) -> None:
    """They are the program's."""
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = [signal.getsignal(number) for number in numbers]
    async with Scheduler(project) as scheduler, anyio.create_task_group() as tasks:
        stop = anyio.Event()
        tasks.start_soon(scheduler.serve_until, stop)
        await anyio.sleep(0.3)
        assert [signal.getsignal(number) for number in numbers] == before
        stop.set()


async def test_mistakes_are_told_before_anything_is_recorded(project: Project) -> None:
    """A job that is not there, a parameter that does not fit, a scheduler that was not entered."""
    scheduler = Scheduler(project)
    with pytest.raises(RuntimeError, match="not entered"):
        await scheduler.run("greet")
    async with scheduler:
        with pytest.raises(UsageError):
            await scheduler.run("gret")
        with pytest.raises(ParameterError):
            await scheduler.run("greet", {"who": "x"})
        with pytest.raises(ParameterError):
            await scheduler.enqueue("greet", {"who": "x"})
        with pytest.raises(RuntimeError, match="entered already"):
            await scheduler.__aenter__()
    async with project.open_store() as store:
        assert await store.last_runs() == {}


# -- the documentation's own code ------------------------------------------------------------------------


def block_with(text: str) -> str:
    """The block of code of the page that contains *text*."""
    blocks: list[str] = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    return next(block for block in blocks if text in block)


async def asgi(lifespan: AbstractAsyncContextManager[Any], receive: Any, send: Any) -> None:
    """What an ASGI framework does with a lifespan, by the letters of the protocol."""
    await receive()
    try:
        async with lifespan as state:
            await send({"type": "lifespan.startup.complete", "state": state})
            await receive()
    finally:
        await send({"type": "lifespan.shutdown.complete"})


async def test_the_documented_lifespan_serves(root: Path) -> None:
    """From startup to shutdown of an ASGI server ticks fire, and a request can run a job."""
    code = block_with("async def lifespan").replace("path/to/project", str(root))
    names: dict[str, Any] = {}
    exec(compile(code, str(DOCS), "exec"), names)
    to_app, from_server = anyio.create_memory_object_stream[dict[str, Any]](5)
    to_server, from_app = anyio.create_memory_object_stream[dict[str, Any]](5)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asgi, names["lifespan"](None), from_server.receive, to_server.send)
        await to_app.send({"type": "lifespan.startup"})
        scheduler: Scheduler = (await from_app.receive())["state"]["scheduler"]
        record = await scheduler.run("greet")
        assert record.status is RunStatus.SUCCEEDED
        await anyio.sleep(1.5)
        await to_app.send({"type": "lifespan.shutdown"})
        assert (await from_app.receive())["type"] == "lifespan.shutdown.complete"
    for stream in (to_app, from_server, to_server, from_app):
        stream.close()
    with Project.load(root) as project:
        async with project.open_store() as store:
            # One that fell due as the server shut down may stay queued.
            found = await store.runs(RunQuery(jobs=["ticking"], statuses=[RunStatus.SUCCEEDED]))
            assert found.runs
