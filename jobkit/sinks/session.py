"""A sink that is open: entered, held and left by one task of its own.

What a sink opens may hold cancel scopes and task groups, which only the task that entered them may
leave; and opening that hangs must hold up nobody.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio

from jobkit.exceptions import PluginError
from jobkit.severable import Severable
from jobkit.sinks.calling import pass_on, until_severed
from jobkit.sinks.timing import SinkTime

if TYPE_CHECKING:
    from jobkit.sinks.checking import CheckedSink

#: Closing has this many seconds at most, whatever the sink's timeout is: a process is waiting to end.
LONGEST_CLOSING = 3.0


class Session:
    """Opens and closes one sink, again and again; *start* starts a task that outlives every call here."""

    def __init__(
        self,
        sink: CheckedSink,
        start: Callable[..., object],
        grace: float,
        clock: SinkTime | None = None,
    ) -> None:
        self._sink = sink
        self._clock = clock or SinkTime(sink)
        self._start = start
        self._grace = grace
        self._hold: _Hold | None = None

    async def open(self, seconds: float) -> BaseException | None:
        """Open it unless it is open; why that failed, else None."""
        if self._sink.manager is None or (self._hold is not None and not self._hold.over.is_set()):
            return None
        # Known from the beginning: whoever is cancelled at the moment when it opens still has to close it.
        hold = self._hold = _Hold(self._sink.manager, self._clock)
        self._start(hold.run, name=self._sink.label)
        late = False
        try:
            late = not await self._clock.wait(hold.settled, seconds)
        finally:
            if late or not hold.opened:
                self._hold = None
                await hold.end(self._closing if hold.opened else 0, self._grace)
        if late:
            return self._too_long(seconds, hold.error)
        if hold.opened:
            return None
        return hold.error or self._too_long(seconds, None)

    async def close(self) -> BaseException | None:
        """Close it if it is open; what went wrong then. Takes a bounded time, also when cancelled."""
        hold, self._hold = self._hold, None
        if hold is None:
            return None
        await hold.end(self._closing, self._grace)
        return hold.error

    @property
    def _closing(self) -> float:
        return min(self._sink.timeout, LONGEST_CLOSING)

    def _too_long(self, seconds: float, cause: BaseException | None) -> PluginError:
        error = PluginError(
            f"sink `{self._sink.name}`: opening it took longer than {seconds:.3g} s",
            code="JK733",
            help="look why it takes so long, or give the sink a longer timeout",
        )
        error.__cause__ = cause
        return error


class _Hold:
    """One entering and leaving."""

    def __init__(self, manager: Any, clock: SinkTime) -> None:
        self.settled = anyio.Event()
        self.over = anyio.Event()
        self.opened = False
        self.error: BaseException | None = None
        self._release = anyio.Event()
        self._scope = anyio.CancelScope(shield=True)
        self._clock = clock
        self._severable = Severable(clock.stepping(self._contained(manager)))

    async def run(self) -> None:
        """The body of the task; raises nothing but KeyboardInterrupt."""
        try:
            # One more task, for a scope that the sink leaves open must not be found inside one of ours.
            with self._scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(until_severed, self._severable, self.settled, name="jobkit sink")
        except BaseExceptionGroup as group:
            pass_on(group)
        finally:
            self.over.set()

    async def end(self, seconds: float, grace: float) -> None:
        """Have it left within *seconds*, cancelled after that, and cut off after *grace* more."""
        self._release.set()
        if seconds:
            await self._clock.wait(self.over, seconds, shield=True)
        if not self.over.is_set():
            self._scope.cancel()
            with anyio.move_on_after(grace, shield=True):
                await self.over.wait()
        if not self.over.is_set():
            self._severable.sever()
            with anyio.move_on_after(grace, shield=True):
                await self.over.wait()

    async def _contained(self, manager: Any) -> None:
        try:
            await self._hold(manager)
        except KeyboardInterrupt:
            raise
        except anyio.get_cancelled_exc_class() as error:
            if anyio.current_effective_deadline() == -math.inf:  # it was asked to stop, by us
                raise
            self.error = RuntimeError("it was cancelled, by nobody but itself")
            self.error.__cause__ = error
        except BaseException as error:  # whatever opening and closing raises is the sink's failure
            self.error = error

    async def _hold(self, manager: Any) -> None:
        await type(manager).__aenter__(manager)
        self.opened = True
        self.settled.set()
        thrown: BaseException | None = None
        try:
            await self._release.wait()
        except anyio.get_cancelled_exc_class() as cancellation:
            # A task group inside the sink ends because a task of it failed, or we do not wait any longer.
            thrown = cancellation
        details = (None, None, None) if thrown is None else (type(thrown), thrown, thrown.__traceback__)
        await type(manager).__aexit__(manager, *details)
