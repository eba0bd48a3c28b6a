"""Whatever a job raises or returns becomes one clear record, and harms nothing but its own run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest

from jobkit import JobContext, JobResult
from jobkit.statuses import RunStatus
from tests.runner.conftest import Execute, MakeRunner, spec_of


class Silent(Exception):
    """Says nothing about itself, and raises instead."""

    def __str__(self) -> str:
        raise RuntimeError("no")


class Odd(BaseException):
    """Not an Exception."""


def raising(error: Callable[[], BaseException]) -> Callable[[JobContext], Any]:
    """A job that raises what *error* makes."""

    async def job(ctx: JobContext) -> None:
        raise error()

    return job


def endless() -> BaseException:
    """The error of a function that calls itself."""
    try:
        return endless()
    except RecursionError as error:
        return error


RAISED: dict[str, tuple[Callable[[], BaseException], str, str]] = {
    "an exception": (lambda: ValueError("no"), "ValueError", "ValueError: no"),
    "one without a text": (ValueError, "ValueError", "ValueError"),
    "sys.exit": (lambda: SystemExit(3), "SystemExit", "SystemExit: 3"),
    "KeyboardInterrupt": (KeyboardInterrupt, "KeyboardInterrupt", "KeyboardInterrupt"),
    "GeneratorExit": (GeneratorExit, "GeneratorExit", "GeneratorExit"),
    "another BaseException": (Odd, "Odd", "Odd"),
    "StopAsyncIteration": (StopAsyncIteration, "StopAsyncIteration", "StopAsyncIteration"),
    "a raising __str__": (Silent, "Silent", "Silent: <Silent whose str() raised RuntimeError>"),
    "NUL and surrogates": (lambda: ValueError("\0\ud800"), "ValueError", "ValueError: \\x00\\ud800"),
    "a group of one": (
        lambda: ExceptionGroup("some", [ExceptionGroup("inner", [KeyError("x")])]),
        "KeyError",
        "KeyError: 'x'",
    ),
    "a group of several": (
        lambda: ExceptionGroup("some", [ValueError("a"), KeyError("b")]),
        "ExceptionGroup",
        "ExceptionGroup: some (2 sub-exceptions): ValueError: a; KeyError: 'b'",
    ),
    "a foreign cancellation": (
        asyncio.CancelledError,
        "asyncio.exceptions.CancelledError",
        "the job cancelled itself (asyncio.exceptions.CancelledError); nobody asked it to stop",
    ),
    "endless recursion": (endless, "RecursionError", "RecursionError: maximum recursion depth exceeded"),
}


@pytest.mark.parametrize("case", RAISED)
async def test_whatever_is_raised_fails_the_run(runner: MakeRunner, case: str) -> None:
    """The class and the text of the error are recorded, and the next run is not touched."""
    error, kind, message = RAISED[case]
    spec = spec_of(raising(error), name="raising")
    well = spec_of(raising, name="well")
    async with runner(spec, well) as here:
        record = await here.run(spec)
        assert (await here.run(spec_of(_well, name="well"))).status is RunStatus.SUCCEEDED
    assert record.status is RunStatus.FAILED
    assert record.error is not None
    assert record.error.type.rpartition(".")[2] == kind.rpartition(".")[2]
    assert (record.message or "").replace(__name__ + ".", "").startswith(message)


async def _well(ctx: JobContext) -> None:
    """Nothing can go wrong."""


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, Odd])
async def test_a_thread_may_raise_anything_too(execute: Execute, error: type[BaseException]) -> None:
    """Also what Python treats specially between threads and tasks."""

    def job(ctx: JobContext) -> None:
        raise error("from a thread")

    record = await execute(job)
    assert record.status is RunStatus.FAILED
    assert record.error is not None
    assert record.error.type.endswith(error.__name__)


async def test_a_huge_message_is_kept_in_part(execute: Execute) -> None:
    """Twenty megabytes become sixty-four kilobytes that say how much is missing."""
    record = await execute(raising(lambda: ValueError("x" * 20_000_000)))
    assert record.error is not None
    assert record.message is not None
    assert len(record.message) < 70_000
    assert "19,9" in record.message
    assert len(record.error.traceback or "") < 70_000


RETURNED: dict[str, tuple[Any, str]] = {
    "a dict": ({}, "the job returned a dict; a job returns a JobResult or None"),
    "an int": (1, "the job returned an int; a job returns a JobResult or None"),
    "the class": (JobResult, "the job returned a type; a job returns a JobResult or None"),
    "NaN": (
        JobResult().with_data({"x": float("nan")}),
        "data['x'] of the result is nan, which JSON does not know",
    ),
    "a set": (
        JobResult().with_data({"x": {1}}),
        "data['x'] of the result is a set, which is not a JSON value",
    ),
    "a list in it": (
        JobResult().with_data({"x": [1, object()]}),
        "data['x'][1] of the result is an object, which is not a JSON value",
    ),
    "an endless number": (
        JobResult().with_data({"x": 2**70}),
        "data['x'] of the result is a number beyond 64 bits",
    ),
    "an odd key": (
        JobResult().with_data({"x": {(1,): 1}}),
        "data['x'] of the result has a key that is not text, but a tuple",
    ),
    "too much": (JobResult().with_data({"x": "y" * 2_000_000}), "the result's data is too large"),
}


@pytest.mark.parametrize("case", RETURNED)
async def test_a_result_that_is_none_fails_the_run_and_says_so(execute: Execute, case: str) -> None:
    """Without a second attempt, which would do the work again and return the same."""
    returned, message = RETURNED[case]

    async def job(ctx: JobContext) -> Any:
        return returned

    record = await execute(job, retries=_retry(2))
    assert (record.status, record.attempt) == (RunStatus.FAILED, 1)
    assert (record.message or "").startswith(message)


def _retry(count: int) -> Any:
    from jobkit import Retry

    return Retry(count, delay=0)


async def test_data_that_contains_itself_fails_the_run(execute: Execute) -> None:
    """However deep it goes, the walk ends."""
    data: dict[str, Any] = {}
    data["again"] = data

    async def job(ctx: JobContext) -> JobResult:
        return JobResult().with_data(data)

    record = await execute(job)
    assert record.message == "the result's data is nested more than 32 levels deep"


async def test_plain_values_of_other_types_become_text(execute: Execute) -> None:
    """What has one obvious form in JSON gets it."""
    data = {
        "day": date(2026, 1, 2),
        "at": datetime(2026, 1, 2, 3, tzinfo=UTC),
        "price": Decimal("1.10"),
        "id": UUID(int=1),
        "path": PurePosixPath("a/b"),
        "took": timedelta(minutes=5),
        "status": RunStatus.FAILED,
        "pair": (1, 2.5),
        "keys": {1: True},
    }

    async def job(ctx: JobContext) -> JobResult:
        return JobResult().with_data(data)

    assert dict((await execute(job)).data) == {
        "day": "2026-01-02",
        "at": "2026-01-02T03:00:00+00:00",
        "price": "1.10",
        "id": "00000000-0000-0000-0000-000000000001",
        "path": "a/b",
        "took": "5m",
        "status": "failed",
        "pair": [1, 2.5],
        "keys": {"1": True},
    }


async def test_an_expected_failure_has_no_error(execute: Execute) -> None:
    """``JobResult.failure`` is a failure in words, with its counts."""

    async def job(ctx: JobContext) -> JobResult:
        return JobResult.failure("three rows were bad").with_stats(10, 3)

    record = await execute(job)
    assert (record.status, record.message, record.error) == ("failed", "three rows were bad", None)
    assert (record.processed, record.errors) == (10, 3)


async def test_a_skipped_run_is_skipped(execute: Execute) -> None:
    """There was nothing to do, and that is fine."""

    async def job(ctx: JobContext) -> JobResult:
        return JobResult.skipped("nothing new")

    record = await execute(job)
    assert (record.status, record.message) == ("skipped", "nothing new")


async def test_a_duration_of_the_jobs_own_counts(execute: Execute) -> None:
    """The runner measures only where the job does not."""

    async def job(ctx: JobContext) -> JobResult:
        return JobResult().with_duration(1234.5)

    assert (await execute(job)).duration_ms == 1234


async def test_the_traceback_shows_the_users_frames_and_no_locals(execute: Execute) -> None:
    """From the job's first line on, with causes and notes, and without what lies around it."""

    def helper(token: str) -> None:
        error = KeyError("missing")
        error.add_note("look into the config")
        raise error

    async def job(ctx: JobContext) -> None:
        try:
            helper("the-local-value")
        except KeyError as error:
            raise ValueError("could not load") from error

    record = await execute(job)
    assert record.error is not None
    text = record.error.traceback or ""
    assert text.count("in helper") == 1
    assert "look into the config" in text
    assert "The above exception was the direct cause" in text
    assert "jobkit/runner" not in text
    assert "asyncio" not in text
    assert text.endswith("ValueError: could not load")
    assert "the-local-value" not in text.replace('helper("the-local-value")', "")


async def test_secrets_are_masked_in_errors_and_data(execute: Execute) -> None:
    """Those that look like one, wherever they turn up."""
    dsn = "postgresql://app:hunter2secret@db/shop"

    async def job(ctx: JobContext) -> JobResult:
        if ctx.attempt == 1:
            raise ConnectionError(f"cannot reach {dsn}")
        return JobResult.failure(f"again: {dsn}").with_data({"dsn": dsn, "password": "x"})

    record = await execute(job, retries=_retry(1))
    assert record.message == "again: postgresql://app:***@db/shop"
    assert dict(record.data) == {"dsn": "postgresql://app:***@db/shop", "password": "***"}


async def test_control_characters_of_a_message_are_made_visible(execute: Execute) -> None:
    """Nothing that a job says can move a cursor."""

    async def job(ctx: JobContext) -> JobResult:
        return JobResult.success("a\x1b[2Jb\nc")

    assert (await execute(job)).message == "a\\x1b[2Jb\nc"
