"""asyncio's event loop in virtual time."""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable
from typing import Any, cast

from jobkit.runner.steady_loop import SteadyLoop
from jobkit.testing.virtual_time.timeline import Hold, Loop


class VirtualLoop(SteadyLoop):
    """For ``loop_factory``: its time is that of *virtual*, and goes on when no task can."""

    def __init__(self, virtual: Loop) -> None:
        super().__init__()
        self.virtual = virtual
        loop = cast("Any", self)  # what a loop of the standard library is made of has no public names
        loop._selector = _Selector(loop._selector, self)
        virtual.wake = self._look_again

    def time(self) -> float:
        return self.virtual.timeline.now

    @property
    def _clock_resolution(self) -> float:
        """asyncio lets timers ring that are due in less than this: here, those that are due and no other."""
        return math.ulp(self.time()) if hasattr(self, "virtual") else 1e-9

    @_clock_resolution.setter
    def _clock_resolution(self, seconds: float) -> None:
        """The system's, which means nothing here."""

    def next_timer(self) -> float:
        """When the next timer rings; infinity if there is none."""
        timers: list[asyncio.TimerHandle] = cast("Any", self)._scheduled
        return timers[0].when() if timers else math.inf

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        hold = self.virtual.hold("a thread of an executor")
        try:
            future = super().run_in_executor(executor, func, *args)
        except BaseException:
            hold.release()
            raise
        future.add_done_callback(lambda _: hold.release())
        return future

    async def shutdown_default_executor(self, *args: Any, **options: Any) -> None:
        with self.virtual.held("the threads of the executor"):
            await super().shutdown_default_executor(*args, **options)

    async def subprocess_exec(self, protocol_factory: Any, *args: Any, **options: Any) -> Any:
        return await super().subprocess_exec(self._watched(protocol_factory), *args, **options)

    async def subprocess_shell(self, protocol_factory: Any, *args: Any, **options: Any) -> Any:
        return await super().subprocess_shell(self._watched(protocol_factory), *args, **options)

    def _watched(self, protocol_factory: Callable[[], Any]) -> Callable[[], Any]:
        """The process holds the loop until it has ended."""

        def make() -> Any:
            protocol = protocol_factory()
            hold, connected, exited = None, protocol.connection_made, protocol.process_exited

            def connection_made(transport: Any) -> None:
                nonlocal hold
                hold = self.virtual.hold(f"process {transport.get_pid()}")
                processes[transport.get_pid()] = hold
                connected(transport)

            def process_exited() -> None:
                exited()
                if hold is not None:
                    hold.release()

            protocol.connection_made, protocol.process_exited = connection_made, process_exited
            return protocol

        return make

    def _look_again(self) -> None:
        try:
            self.call_soon_threadsafe(lambda: None)
        except RuntimeError:
            return  # it was closed meanwhile


#: The holds of processes at work, by their ids.
processes: dict[int, Hold] = {}


class _Selector(selectors.BaseSelector):
    """Asks *inner* what happens outside; where asyncio would wait for a timer, time goes on instead."""

    def __init__(self, inner: selectors.BaseSelector, loop: VirtualLoop) -> None:
        self._inner = inner
        self._loop = loop
        # The loop itself listens for calls from other threads.
        self._own = len(inner.get_map() or ())

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        virtual = self._loop.virtual
        if timeout is not None and timeout <= 0:
            virtual.active()
            return self._inner.select(0)
        # Asked before looking: who has released the loop until now has said before what it had to say.
        standing = virtual.standing
        events = self._inner.select(0)
        if events:
            return events
        if standing:
            return self._inner.select(virtual.wait())
        deadline = self._loop.next_timer()
        if deadline == math.inf and len(self._inner.get_map() or ()) > self._own:
            return self._inner.select(None)  # the network, a pipe, a signal: as long as it takes
        virtual.jump(deadline)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    def get_map(self) -> Any:
        return self._inner.get_map()

    def close(self) -> None:
        self._inner.close()
