"""The clock that tests hold in their hands."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import anyio

from jobkit.clock import Ticker
from jobkit.testing.virtual_time.errors import VirtualTimeError
from jobkit.testing.virtual_time.timeline import Loop, Moment, Timeline

if TYPE_CHECKING:
    from concurrent.futures import Executor

T = TypeVar("T")

#: The start that a clock has unless it is told another: a Thursday.
START = datetime(2026, 1, 1, tzinfo=UTC)
#: The shortest pause between two rounds of periodic work, in seconds of virtual time.
SHORTEST_PAUSE = 5.0


class VirtualClock:
    """A :class:`jobkit.clock.Clock` whose time passes only while everything waits for it.

    *start* is an aware datetime. :meth:`run` runs a coroutine function in an event loop that has this time:
    sleeps and timeouts inside end at once, in their order. Threads and processes at work keep the time
    standing; VirtualTimeError if they do so for *patience* of real time, or if nothing is left to wait
    for. ``step`` sets the wall clock alone. ``now``, ``monotonic``, ``every``, ``step``, ``sleep`` and
    ``held`` may be used from any thread.
    """

    def __init__(self, start: datetime = START, *, patience: timedelta = timedelta(seconds=30)) -> None:
        if start.tzinfo is None:
            raise ValueError("VirtualClock(start): an aware datetime is expected, such as 2026-03-29T00:00Z")
        self._start = start.astimezone(UTC)
        self._patience = patience.total_seconds()
        self._timeline = Timeline()
        self._loops: list[Loop] = []
        self._stepped: set[anyio.Event] = set()
        self._steps: Executor | None = None
        self._sleepers: dict[threading.Event, Moment] = {}

    # -- the time -----------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The wall clock, aware, UTC."""
        return self._start + timedelta(seconds=self._timeline.now)

    def monotonic(self) -> float:
        """Seconds since the clock was made; the time of its event loops."""
        return self._timeline.now

    def step(self, by: timedelta) -> None:
        """Set the wall clock forward, or back; timers and timeouts notice nothing."""
        self._start += by
        for event in tuple(self._stepped):
            self._timeline.add(self._timeline.now, _setting(event))
        for loop in tuple(self._loops):
            loop.wake()

    async def sleep_until(self, instant: datetime) -> None:
        """Return once ``now()`` has reached *instant*, through all steps."""
        while (remaining := (instant - self.now()).total_seconds()) > 0:
            event = anyio.Event()
            self._stepped.add(event)
            try:
                with anyio.move_on_after(remaining):
                    await event.wait()
            finally:
                self._stepped.discard(event)

    async def pause(self, seconds: float) -> None:
        """Sleep between two rounds of periodic work: nothing that a test could wait for.

        Five seconds at least. What is done a few times a second would be most of the work of an hour.
        """
        over = anyio.Event()
        at = self._timeline.now + max(seconds, SHORTEST_PAUSE)
        moment = self._timeline.add(at, lambda _: over.set(), counts=False)
        try:
            await over.wait()
        finally:
            self._timeline.remove(moment)

    def sleep(self, seconds: float) -> None:
        """What ``time.sleep`` is in reality, for threads: returns when so much virtual time has passed.

        RuntimeError on the event loop itself, where one awaits ``anyio.sleep``, and once :meth:`run` has
        ended: the time passes no more.
        """
        from jobkit.testing.virtual_time.work import here, loop_here

        if loop_here() is not None:
            raise RuntimeError("clock.sleep() is for threads: on the event loop, await anyio.sleep()")
        over, hold = threading.Event(), here.hold

        def wake(_: Loop) -> None:
            if hold is not None:
                hold.resume()
            over.set()

        moment = self._timeline.add(self._timeline.now + seconds, wake)
        self._sleepers[over] = moment
        if hold is not None:
            hold.suspend()
        over.wait()
        if self._sleepers.pop(over, None) is None:
            raise RuntimeError("the event loop of the virtual clock has ended: its time passes no more")

    def every(self, interval: timedelta, call: Callable[[], None], *, name: str) -> Ticker:
        """Call *call* each *interval* of virtual time, in a thread; the time stands still meanwhile."""
        return _Steps(self, interval.total_seconds(), call, name)

    @contextmanager
    def held(self, what: str = "clock.held()") -> Iterator[None]:
        """Let no time pass inside: something is awaited that the loop does not know of, such as an answer
        over the network. *what* it is, for the error if that takes too long."""
        loop = self._loops[-1] if self._loops else None
        if loop is None:
            yield
            return
        with loop.held(what):
            yield

    # -- the event loop -----------------------------------------------------------------------------------

    def run(
        self,
        call: Callable[..., Awaitable[T]],
        *args: Any,
        backend: Literal["asyncio", "trio"] = "asyncio",
    ) -> T:
        """What ``await call(*args)`` gives, in an event loop that has this clock's time.

        Raises what it raises, and VirtualTimeError. May be called again: the time goes on from where it is.
        """
        from jobkit.testing.virtual_time.work import noticed

        loop = Loop(self._timeline, self._patience)
        with ExitStack() as stack:
            stack.enter_context(noticed())
            self._loops.append(loop)
            stack.callback(self._loops.remove, loop)
            if self._steps is None:
                self._steps = ThreadPoolExecutor(1, "jobkit-virtual-time")
                stack.callback(self._end)
            run: _Run[T] = _Run(loop)
            anyio.run(run.main, call, *args, backend=backend, backend_options=_options(backend, loop))
        return run.outcome()

    def _end(self) -> None:
        """The last event loop has ended: threads that were left behind sleep no longer."""
        while self._sleepers:
            over, moment = self._sleepers.popitem()
            self._timeline.remove(moment)
            over.set()
        steps, self._steps = self._steps, None
        if steps is not None:
            steps.shutdown()

    def _step(self, loop: Loop, call: Callable[[], None], name: str) -> None:
        """Have *call* called in the thread for that; *loop* waits for it."""
        from jobkit.testing.virtual_time.work import here

        steps, hold = self._steps, loop.hold(f"the periodic call {name}")

        def work() -> None:
            here.hold = hold
            try:
                call()
            finally:
                here.hold = None
                hold.release()

        if steps is None:  # the last loop has ended
            hold.release()
        else:
            steps.submit(work)


def _setting(event: anyio.Event) -> Callable[[Loop], None]:
    return lambda _: event.set()


class _Run(Generic[T]):
    """One ``run``: how it has ended, in whichever way."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._returned: list[T] = []
        self._raised: BaseException | None = None
        self._failed: VirtualTimeError | None = None

    async def main(self, call: Callable[..., Awaitable[T]], *args: Any) -> None:
        failing = anyio.Event()

        def fail(error: VirtualTimeError) -> None:
            self._failed = error
            failing.set()

        async def watch() -> None:
            await failing.wait()
            tasks.cancel_scope.cancel()

        self._loop.fail = fail
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            try:
                self._returned.append(await call(*args))
            except anyio.get_cancelled_exc_class():
                raise
            except BaseException as error:  # a task group would put it into a group
                self._raised = error
            tasks.cancel_scope.cancel()

    def outcome(self) -> T:
        """What the call has returned; raises what has ended it."""
        error = self._failed or self._raised
        if error is not None:
            raise error
        return self._returned[0]


class _Steps:
    """A periodic call in virtual time."""

    def __init__(self, clock: VirtualClock, seconds: float, call: Callable[[], None], name: str) -> None:
        self._clock = clock
        self._seconds = seconds
        self._call = call
        self._name = name
        self._stopped = False
        self._in_progress = threading.Lock()
        self._thread: int | None = None
        self._due = clock.monotonic()
        self._plan()

    def stop(self) -> None:
        self._stopped = True
        self._clock._timeline.remove(self._moment)
        if threading.get_ident() != self._thread:
            with self._in_progress:
                pass  # the last call has ended

    def _plan(self) -> None:
        self._due += self._seconds
        self._moment = self._clock._timeline.add(self._due, self._happen, counts=False)

    def _happen(self, loop: Loop) -> None:
        if not self._stopped:
            self._plan()
            self._clock._step(loop, self._make, self._name)

    def _make(self) -> None:
        with self._in_progress:
            if self._stopped:
                return
            self._thread = threading.get_ident()
            try:
                self._call()
            except Exception as error:  # one failed call must not end the calls
                threading.excepthook(
                    threading.ExceptHookArgs((type(error), error, error.__traceback__, None))
                )
            finally:
                self._thread = None


def _options(backend: str, loop: Loop) -> dict[str, Any]:
    """What anyio has to know of an event loop in virtual time."""
    if backend == "asyncio":
        from jobkit.testing.virtual_time.asyncio_loop import VirtualLoop

        return {"loop_factory": lambda: VirtualLoop(loop)}
    from jobkit.testing.virtual_time.trio_loop import VirtualTrioClock

    clock = VirtualTrioClock(loop)
    return {"clock": clock, "instruments": [clock]}
