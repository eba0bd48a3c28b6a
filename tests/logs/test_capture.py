"""What a run writes, whichever way, is kept with the run – and with no other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest
import structlog

from jobkit.logs import CaptureHandler, RunCapture, capture_processor, get_logger
from jobkit.logs.buffer import HEAD_LINES, PER_ATTEMPT, TAIL_LINES
from jobkit.logs.setup import reset
from jobkit.records import LogLine

if TYPE_CHECKING:
    from tests.logs.conftest import Log

Make = Callable[..., RunCapture]
IDENTITY = {"run": 1423, "run_id": "0190-run", "job": "cleanup", "extension": "web", "attempt": 1}


def events(lines: list[LogLine]) -> list[str]:
    return [line.event for line in lines]


def test_every_way_of_writing_carries_the_run(program: Log, capture: Make) -> None:
    """structlog, the context's logger, logging and print: each line says run, job, extension, attempt."""
    with capture() as run:
        run.logger.info("from the context", rows=1)
        structlog.get_logger().warning("from structlog", rows=2)
        logging.getLogger("some.library").error("from %s", "logging", extra={"rows": 3})
        print("printed")
    assert all(IDENTITY.items() <= event.items() for event in program.events)
    lines = run.drain()
    assert [(line.level, line.event, line.source, dict(line.fields)) for line in lines] == [
        ("info", "from the context", "log", {"rows": 1}),
        ("warning", "from structlog", "log", {"rows": 2}),
        ("error", "from logging", "logging", {"logger": "some.library", "rows": 3}),
        ("info", "printed", "stdout", {}),
    ]
    assert [line.sequence for line in lines] == [1, 2, 3, 4]
    assert {line.attempt for line in lines} == {1}
    assert program.events[3]["stream"] == "stdout"


def test_outside_of_runs_nothing_is_kept(
    program: Log, capture: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    """Before and behind the attempt, lines go to the log and print goes to the screen."""
    with capture() as run:
        pass
    structlog.get_logger().info("later")
    logging.getLogger("x").warning("later")
    assert run.drain() == []
    assert all("run" not in event for event in program.events)
    assert [event["event"] for event in program.events] == ["later", "later"]


async def test_runs_side_by_side_do_not_mix(program: Log) -> None:
    """Tasks, their child tasks and their worker threads write to their own run."""
    started: set[int] = set()
    everybody = anyio.Event()

    async def execute(number: int) -> list[str]:
        with RunCapture(f"id-{number}", number, f"job_{number}", "web", 1) as run:
            structlog.get_logger().info(f"a{number}")
            started.add(number)
            if len(started) == 5:
                everybody.set()
            await everybody.wait()
            async with anyio.create_task_group() as group:
                group.start_soon(child, number)
            await anyio.to_thread.run_sync(worker, number)
            print(f"e{number}")
        return events(run.drain())

    async def child(number: int) -> None:
        await anyio.lowlevel.checkpoint()
        print(f"b{number}")

    def worker(number: int) -> None:
        logging.getLogger("x").info("c%d", number)
        print(f"d{number}")

    found: dict[int, list[str]] = {}

    async def keep(number: int) -> None:
        found[number] = await execute(number)

    async with anyio.create_task_group() as group:
        for number in range(5):
            group.start_soon(keep, number)
    assert found == {number: [f"{letter}{number}" for letter in "abcde"] for number in range(5)}


def test_a_child_run_has_its_own_lines(program: Log, capture: Make) -> None:
    """Inside a run another may be executed; then it goes on with the first."""
    with capture() as parent:
        print("before")
        with RunCapture("0191-child", 1424, "child", "web", 1) as child:
            print("inside")
        print("after")
    assert events(parent.drain()) == ["before", "after"]
    assert events(child.drain()) == ["inside"]


def test_jobkits_own_events_name_the_run_they_are_about(program: Log, capture: Make) -> None:
    """`run.finished` of a child, said while the parent runs, is about the child, and kept with the parent."""
    with capture() as parent:
        get_logger().info("run.finished", run=1424, job="child", status="succeeded")
        get_logger().info("service.opened", service="db")
    first, second = program.events
    assert (first["run"], first["job"]) == (1424, "child")
    assert "run_" not in first
    assert IDENTITY.items() <= second.items()
    assert events(parent.drain()) == ["run.finished", "service.opened"]


def test_the_contexts_logger_works_from_any_thread(log: Log, capture: Make) -> None:
    """A thread that the job started itself has no context, but may have been given the logger."""
    with capture() as run:
        logger = run.logger.bind(file="x.md")
        thread = threading.Thread(target=lambda: logger.info("from a thread"))
        thread.start()
        thread.join()
    assert log.events[0].items() >= {**IDENTITY, "file": "x.md"}.items()
    assert events(run.drain()) == ["from a thread"]


def test_context_variables_of_structlog_are_merged(program: Log, capture: Make) -> None:
    """`bind_contextvars` works as its users know it; what is given in the call wins."""
    with capture() as run, structlog.contextvars.bound_contextvars(request="r1", rows=0):
        structlog.get_logger().info("x", rows=5)
    assert dict(run.drain()[0].fields) == {"rows": 5, "request": "r1"}


def test_processors_of_a_jobs_own_are_respected(program: Log, capture: Make) -> None:
    """Who wraps a logger with processors gets those processors."""
    seen: list[str] = []

    def note(logger: Any, method: str, event: Any) -> Any:
        seen.append(event["event"])
        raise structlog.DropEvent

    with capture() as run:
        structlog.wrap_logger(None, processors=[note]).info("mine")
    assert seen == ["mine"]
    assert run.drain() == []


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # structlog's async methods know no other
async def test_the_async_methods_work_too(program: Log, capture: Make) -> None:
    """`await log.ainfo(...)` hands over to a thread, which belongs to the run all the same."""
    with capture() as run:
        await structlog.get_logger().ainfo("x")
    assert events(run.drain()) == ["x"]


# -- bounds ------------------------------------------------------------------------------------------


def test_the_middle_of_a_long_output_is_dropped_and_says_so(log: Log, capture: Make) -> None:
    """The first lines come while it runs, the last ones when it is over, and a count between them."""
    total = HEAD_LINES + TAIL_LINES + 500
    with capture(2) as run:
        for number in range(1, total + 1):
            run.logger.info("line %d", number)
        early = run.drain()
        assert run.drain() == []
    late = run.drain()
    base = PER_ATTEMPT
    assert events(early[:-1]) == [f"line {number}" for number in range(1, HEAD_LINES + 1)]
    assert "more lines follow" in early[-1].event
    assert late[0].event == "… 500 lines dropped here"
    assert late[0].sequence == early[-1].sequence == base + HEAD_LINES + 1
    assert events(late[1:]) == [f"line {number}" for number in range(total - TAIL_LINES + 1, total + 1)]
    assert [line.sequence for line in late[1:]] == list(
        range(base + total - TAIL_LINES + 1, base + total + 1)
    )
    assert len(log.lines) == total


def test_what_just_fits_is_whole(log: Log, capture: Make) -> None:
    """The line about more is replaced by the line that it stood for: same sequence."""
    total = HEAD_LINES + TAIL_LINES
    with capture() as run:
        for number in range(1, total + 1):
            run.logger.info("line %d", number)
    kept = {line.sequence: line.event for line in run.drain()}
    assert kept == {number: f"line {number}" for number in range(1, total + 1)}


def test_size_is_bounded_as_well(log: Log, capture: Make) -> None:
    """A thousand lines of eight kilobytes are more than anybody keeps: about a megabyte is."""
    with capture() as run:
        for number in range(1000):
            run.logger.info("x" * 8000, number=number)
    lines = run.drain()
    assert sum(len(line.event) for line in lines) < 1_100_000
    assert lines[0].fields["number"] == 0
    assert lines[-1].fields["number"] == 999
    assert any("lines dropped here" in line.event for line in lines)


def test_attempts_do_not_share_numbers(log: Log, capture: Make) -> None:
    """The lines of a second attempt, perhaps in another process, replace none of the first."""
    sequences = []
    for attempt in (1, 2, 3):
        with capture(attempt) as run:
            run.logger.info("x")
        sequences += [line.sequence for line in run.drain()]
    assert sequences == [1, PER_ATTEMPT + 1, 2 * PER_ATTEMPT + 1]


def test_a_straggler_is_dropped(log: Log, capture: Make) -> None:
    """A thread that was left behind still writes to the log, but no more to the run."""
    with capture() as run:
        logger = run.logger
    logger.info("late")
    assert run.drain() == []
    assert log.events[0]["event"] == "late"


def test_draining_from_another_thread_loses_nothing(log: Log, capture: Make) -> None:
    """Writers and the reader may be anywhere: each line comes once, in order."""
    found: list[LogLine] = []
    with capture() as run:
        logger = run.logger
        writers = [threading.Thread(target=lambda: [logger.info("x") for _ in range(100)]) for _ in range(4)]
        for writer in writers:
            writer.start()
        while any(writer.is_alive() for writer in writers):
            found += run.drain()
        for writer in writers:
            writer.join()
    found += run.drain()
    assert [line.sequence for line in found] == list(range(1, 401))


def test_a_program_that_shows_runs_itself_gets_only_the_rest(log: Log, capture: Make) -> None:
    """With runs=False lines of runs, and events about runs, are kept and not written."""
    log.configure(runs=False)
    with capture() as run:
        run.logger.info("inside")
        get_logger().info("run.finished", run=1423)
    get_logger().info("run.started", run=1423)
    get_logger().info("store.opened")
    assert [event["event"] for event in log.events] == ["store.opened"]
    assert events(run.drain()) == ["inside", "run.finished"]


def test_times_come_from_the_clock_that_was_given(log: Log, capture: Make) -> None:
    """So that tests can hold it."""
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    with capture(now=lambda: noon) as run:
        run.logger.info("x")
    assert run.drain()[0].at == noon


# -- embedded ----------------------------------------------------------------------------------------


@pytest.fixture
def embedding() -> Iterator[list[dict[str, Any]]]:
    """A program with its own structlog, which has added our processor to it."""
    reset()
    written: list[dict[str, Any]] = []

    def render(logger: Any, method: str, event: Any) -> str:
        written.append(dict(event))
        return ""

    structlog.configure(processors=[structlog.processors.add_log_level, capture_processor, render])
    yield written
    structlog.reset_defaults()


def test_an_embedding_program_keeps_its_own_structlog(embedding: list[dict[str, Any]], capture: Make) -> None:
    """Its events go where they always went, with the run's fields added, and are kept with the run."""
    structlog.get_logger().info("outside")
    with capture() as run:
        structlog.get_logger().info("inside", rows=3, password="pw")
    assert embedding[0] == {"event": "outside", "level": "info"}
    assert embedding[1] == {"event": "inside", "level": "info", "rows": 3, "password": "pw", **IDENTITY}
    (line,) = run.drain()
    assert (line.event, dict(line.fields)) == ("inside", {"rows": 3, "password": "***"})


def test_an_embedding_programs_logging_is_kept_by_a_handler(capture: Make) -> None:
    """Records inside a run are kept; jobkit's own, which it hands to logging there, are not kept twice."""
    reset()
    logger, handler = logging.getLogger("embedding.program"), CaptureHandler()
    logging.getLogger().addHandler(handler)
    try:
        logger.warning("outside")
        with capture() as run:
            logger.warning("inside")
            run.logger.warning("ours")
    finally:
        logging.getLogger().removeHandler(handler)
    assert events(run.drain()) == ["inside", "ours"]


def test_a_record_that_cannot_be_formatted_is_kept_all_the_same(capture: Make) -> None:
    """Wrong arguments are a mistake of the job's; the line shows them."""
    logger = logging.Logger("x")  # noqa: LOG001 - alone, for pytest's own handler raises for such records
    logger.addHandler(CaptureHandler())
    with capture() as run:
        logger.warning("%d rows", "many")
        logger.log(35, "odd level")
    lines = run.drain()
    assert "many" in lines[0].event
    assert [line.level for line in lines] == ["warning", "warning"]
