"""What a well-behaved sink is, as tests that any sink can be put through.

Derive from :class:`SinkConformance`, name the class ``Test…``, and say how the sink is made, with a server of
the test's own behind it::

    class TestWebhook(SinkConformance):
        @pytest.fixture
        def make_sink(self, server: Server) -> MakeSink:
            return lambda: Webhook(url=server.url)

Each call gives a new sink object that could be another process's. Every case runs on each event loop that
anyio's pytest plugin is set to; a sink whose library knows only one overrides ``anyio_backend``. What arrived
at the other end is for tests of your own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import anyio
import pytest
from anyio.from_thread import BlockingPortal

from jobkit.plugins.provided import Provided
from jobkit.records import RunFailure, RunRecord, new_run_id
from jobkit.sinks.calling import Calls, Ended
from jobkit.sinks.checking import CheckedSink, checked_sinks
from jobkit.sinks.session import Session
from jobkit.sinks.wording import is_rejection
from jobkit.statuses import RunStatus, Trigger
from jobkit.testing.conformance.kit import START

#: Makes a sink; a fresh one each time.
MakeSink = Callable[[], Any]

_GRACE = 1.0
_FINAL = [status for status in RunStatus if status.finished]


def finished_run(number: int = 1, **members: Any) -> RunRecord:
    """A run as sinks get it."""
    at = START + timedelta(seconds=number)
    record = RunRecord(
        id=new_run_id(at),
        number=number,
        job="nightly",
        extension="web",
        status=RunStatus.SUCCEEDED,
        trigger=Trigger.SCHEDULE,
        scheduled_at=at,
        queued_at=at,
        started_at=at,
        finished_at=at + timedelta(seconds=1),
        duration_ms=1000,
        attempt=1,
        actor="system",
        node="here",
    )
    return replace(record, **members)


#: Runs with little in them, much in them, and what nobody would put there on purpose.
_UNUSUAL: dict[str, dict[str, Any]] = {
    "nothing optional": {
        "scheduled_at": None, "started_at": None, "duration_ms": None, "actor": "", "node": "",
        "status": RunStatus.LOST,
    },
    "everything": {
        "message": "3 of 5", "processed": 3, "errors": 2, "data": {"a": [1, {"b": None}], "c": 1.5},
        "parameters": {"days": 30}, "window": (START, START), "reason": "expectation", "parent": "x",
        "error": RunFailure("ValueError", "no", "Traceback …"), "retry_of": "y",
        "cleanup_errors": (RunFailure("OSError", "closing"),), "status": RunStatus.FAILED,
    },
    "foreign letters": {"message": "naïve – 日本語 – 🙂", "job": "nightly", "data": {"ключ": "значение"}},
    "control characters": {"message": "a\x1b[31mred\r\nb\tc\u2028d\u202e", "data": {"k\n": "v\x07"}},
    "replaced characters": {"message": "\ufffd\ufffd"},
    "half a megabyte": {"message": "x" * 500_000, "data": {"rows": [{"n": n} for n in range(5000)]}},
    "markup": {"message": "<script>alert(1)</script> {0} %s $HOME `id` '; DROP TABLE runs; --"},
}  # fmt: skip


class Reported:
    """Keeps what is wrong with a sink's members."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []

    def failed(self, plugin: str, hook: str, error: BaseException, *, run: str | None = None) -> None:
        self.errors.append(error)


class OpenSink:
    """A sink that was entered, called in the way that a delivery does."""

    def __init__(self, sink: CheckedSink, calls: Calls) -> None:
        self.sink = sink
        self.calls = calls

    async def accepts(self, run: RunRecord) -> bool:
        if self.sink.accepts is None:
            return True
        ended = await self.calls.make("accepts", run, seconds=self.sink.timeout)
        assert ended.error is None, f"accepts failed: {ended.error!r}"
        return bool(ended.value)

    async def emit(self, run: RunRecord) -> Ended:
        return await self.calls.make("emit", run, seconds=self.sink.timeout)

    async def give(self, run: RunRecord) -> None:
        """Give it *run* if it accepts it: taken, or refused for good."""
        if await self.accepts(run):
            ended = await self.emit(run)
            refused = ended.error is not None and is_rejection(ended.error)
            assert ended.error is None or refused, f"emit failed: {ended.error!r}"


class SinkConformance:
    """All cases."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def make_sink(self) -> MakeSink:
        raise pytest.UsageError(f"{type(self).__name__} needs a fixture make_sink that gives its sink")

    def test_its_members_are_right(self, make_sink: MakeSink) -> None:
        """It has a name, and what else it has is of the right kind."""
        with _checked(make_sink()) as sink:
            assert sink.name

    def test_its_name_is_always_the_same(self, make_sink: MakeSink) -> None:
        """What waits is kept under it, for the next process too."""
        with _checked(make_sink()) as one, _checked(make_sink()) as other:
            assert one.name == other.name

    async def test_it_is_opened_and_closed(self, make_sink: MakeSink, anyio_backend: Any) -> None:
        """Also when there is no run at all; and again, by the same process."""
        sink = make_sink()
        for _ in range(2):
            async with _opened(sink):
                pass

    @pytest.mark.parametrize("status", _FINAL)
    async def test_it_takes_runs_of_every_status(
        self, make_sink: MakeSink, status: RunStatus, anyio_backend: Any
    ) -> None:
        """Or does not accept them, or rejects them: nothing else."""
        async with _opened(make_sink()) as sink:
            await sink.give(finished_run(status=status))

    @pytest.mark.parametrize("what", _UNUSUAL)
    async def test_it_takes_unusual_runs(self, make_sink: MakeSink, what: str, anyio_backend: Any) -> None:
        """What jobs say is any text, and any JSON."""
        async with _opened(make_sink()) as sink:
            await sink.give(finished_run(**_UNUSUAL[what]))

    async def test_it_takes_a_run_twice(self, make_sink: MakeSink, anyio_backend: Any) -> None:
        """At least once means that: by the same process, and by the next one."""
        run = finished_run()
        for _ in range(2):
            async with _opened(make_sink()) as sink:
                await sink.give(run)
                await sink.give(run)

    async def test_it_takes_many(self, make_sink: MakeSink, anyio_backend: Any) -> None:
        """One after another, without being opened in between."""
        async with _opened(make_sink()) as sink:
            for number in range(1, 26):
                await sink.give(finished_run(number))

    async def test_it_leaves_the_run_as_it_is(self, make_sink: MakeSink, anyio_backend: Any) -> None:
        """Others get it too."""
        run = finished_run(data={"pages": [1, 2]}, parameters={"days": 3})
        before = run.to_json()
        async with _opened(make_sink()) as sink:
            await sink.give(run)
        assert run.to_json() == before

    async def test_it_can_be_told_to_stop(self, make_sink: MakeSink, anyio_backend: Any) -> None:
        """A process that ends cancels what is under way; the sink then takes runs as before."""
        async with _opened(make_sink()) as sink:
            with anyio.fail_after(sink.sink.timeout), anyio.move_on_after(0):
                await sink.emit(finished_run())
            with anyio.move_on_after(sink.sink.timeout):
                await _until_free(sink)
            await sink.give(finished_run(2))


async def _until_free(sink: OpenSink) -> None:
    """A plain function goes on in its thread after nobody waits for it any more."""
    while sink.calls.busy:  # noqa: ASYNC110 - nobody tells
        await anyio.sleep(0.01)


@contextmanager
def _checked(sink: Any) -> Iterator[CheckedSink]:
    reported = Reported()
    found = checked_sinks([Provided(sink, "conformance")], reported)
    assert not reported.errors, str(reported.errors[0])
    yield found[0]


@asynccontextmanager
async def _opened(sink: Any) -> AsyncIterator[OpenSink]:
    with _checked(sink) as checked:
        async with BlockingPortal() as portal, anyio.create_task_group() as tasks:
            session = Session(checked, tasks.start_soon, _GRACE)
            error = await session.open(checked.timeout)
            assert error is None, f"it could not be opened: {error!r}"
            try:
                yield OpenSink(checked, Calls(checked, portal, _GRACE))
            finally:
                error = await session.close()
            assert error is None, f"it could not be closed: {error!r}"
