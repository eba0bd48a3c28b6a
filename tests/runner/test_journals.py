"""What a run writes reaches the store while it runs, and the log has one line with everything."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from jobkit import JobContext, JobResult, Retry, RunStatus
from jobkit.exceptions import StoreUnavailable
from jobkit.logs import configure, install
from jobkit.logs import setup as logs_setup
from jobkit.records import LogLine
from jobkit.stores.base import Store
from jobkit.stores.memory import MemoryStore
from tests.runner.conftest import Execute, MakeRunner, Seen, spec_of


class Lines:
    """A text stream that keeps what is written, as objects."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        """Nothing waits."""

    def events(self) -> list[dict[str, Any]]:
        """Every line, decoded."""
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def written() -> Any:
    """What the program writes to its log."""
    lines = Lines()
    configure("json", stream=lines)  # type: ignore[arg-type]
    yield lines
    logs_setup.reset()


async def test_lines_are_in_the_store_while_the_run_goes_on(runner: MakeRunner, store: Store) -> None:
    """A process that is killed has lost little of them."""
    seen = Seen()
    arrived = anyio.Event()

    class Noticing(Seen):
        def logged(self, run: Any, lines: Sequence[LogLine]) -> None:
            super().logged(run, lines)
            arrived.set()

    seen = Noticing()
    ids: list[str] = []

    async def job(ctx: JobContext) -> JobResult:
        ids.append(ctx.run_id)
        ctx.log.info("early", rows=3)
        ctx.progress(1, 2)
        await arrived.wait()
        lines: list[LogLine] = []
        while not lines:  # told first, written then
            lines = await store.log_lines(ctx.run_id)
            await anyio.lowlevel.checkpoint()
        progress = (await store.run(ctx.run_id)).progress
        return JobResult.success(f"{lines[0].event} {progress and progress.done}")

    spec = spec_of(job)
    async with runner(spec, store=store, observer=seen) as here:
        record = await here.run(spec)
    assert (record.status, record.message) == ("succeeded", "early 1")
    assert ("progress", (1, 2, None)) in seen.told


async def test_the_last_lines_are_there_when_the_run_is_recorded(runner: MakeRunner, store: Store) -> None:
    """In order, with level, fields and attempt, from all attempts."""

    async def job(ctx: JobContext) -> None:
        ctx.log.warning("careful", attempt_was=ctx.attempt)
        if ctx.attempt == 1:
            raise OSError("again")

    spec = spec_of(job, retries=Retry(1, delay=0))
    async with runner(spec, store=store) as here:
        record = await here.run(spec)
    lines = await store.log_lines(record.id)
    assert [(line.level, line.event, line.attempt) for line in lines] == [
        ("warning", "careful", 1),
        ("warning", "run.retrying", 1),
        ("warning", "careful", 2),
    ]
    assert [line.sequence for line in lines] == sorted({line.sequence for line in lines})


async def test_prints_and_logging_belong_to_the_run(execute: Execute, memory: MemoryStore) -> None:
    """From the task and from the thread."""
    uninstall = install()
    try:

        def job(ctx: JobContext) -> None:
            print("printed")
            logging.getLogger("theirs").warning("logged")

        record = await execute(job)
    finally:
        uninstall()
    lines = await memory.log_lines(record.id)
    assert {(line.source, line.event) for line in lines} == {("stdout", "printed"), ("logging", "logged")}


async def test_one_canonical_line_says_everything(runner: MakeRunner, written: Lines) -> None:
    """``run.finished``, written once the result is recorded."""

    async def job(ctx: JobContext) -> JobResult:
        return JobResult.success("done").with_stats(5, 1)

    spec = spec_of(job)
    async with runner(spec) as here:
        record = await here.run(spec, actor="me@here")
    started, finished = written.events()
    assert started["event"] == "run.started"
    expected = {
        "event": "run.finished",
        "level": "info",
        "run": record.number,
        "job": "job",
        "extension": "tests",
        "status": "succeeded",
        "message": "done",
        "processed": 5,
        "errors": 1,
        "attempt": 1,
        "attempts": 1,
        "trigger": "manual",
        "actor": "me@here",
        "node": record.node,
        "duration_ms": record.duration_ms,
    }
    assert {key: finished.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("result", "level"),
    [(JobResult.failure("x"), "error"), (JobResult.skipped(), "info"), (JobResult(), "info")],
)
async def test_the_level_of_the_canonical_line_is_that_of_the_end(
    runner: MakeRunner, written: Lines, result: JobResult, level: str
) -> None:
    """What somebody has to look at is an error."""

    async def job(ctx: JobContext) -> JobResult:
        return result

    spec = spec_of(job)
    async with runner(spec) as here:
        await here.run(spec)
    assert written.events()[-1]["level"] == level


async def test_progress_becomes_a_log_line_now_and_then(runner: MakeRunner, memory: MemoryStore) -> None:
    """Not one for each call."""

    async def job(ctx: JobContext) -> None:
        for done in range(100):
            ctx.progress(done, 100)

    spec = spec_of(job)
    async with runner(spec) as here:
        record = await here.run(spec)
    lines = await memory.log_lines(record.id)
    assert [line.event for line in lines].count("run.progress") <= 1
    assert record.progress is not None
    assert record.progress.done == 99


async def test_lines_wait_while_the_store_is_away(runner: MakeRunner) -> None:
    """What could not be written is written with the result."""

    class Forgetful(MemoryStore):
        refused = 0

        async def add_log_lines(self, run_id: str, lines: Sequence[LogLine]) -> None:
            if self.refused < 2:
                self.refused += 1
                raise StoreUnavailable("away")
            await super().add_log_lines(run_id, lines)

    async def job(ctx: JobContext) -> None:
        ctx.log.info("kept")

    spec = spec_of(job)
    async with Forgetful(project="tests") as store, runner(spec, store=store) as here:
        record = await here.run(spec)
        assert [line.event for line in await store.log_lines(record.id)] == ["kept"]
    assert record.status is RunStatus.SUCCEEDED
