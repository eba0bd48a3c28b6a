"""What plugins put around an attempt, and the time that it takes them, which is not the job's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from jobkit.runner.executors.around_call import AroundCall
from jobkit.runner.executors.calling import is_called_in_thread

if TYPE_CHECKING:
    from jobkit.context import JobContext
    from jobkit.plugins.around import RunContext
    from jobkit.plugins.facade import Hooks
    from jobkit.runner.orders import Order
    from jobkit.runner.site import Site


class Timed(Protocol):
    """An attempt whose time stands still while plugins are at work. On the event loop only."""

    @property
    def stopping(self) -> bool:
        """Whether it is to stop."""
        ...

    def pause(self) -> None:
        """Plugins begin with something."""
        ...

    def resume(self, seconds: float) -> None:
        """That took them so long."""
        ...


class Wrapping:
    """The ``jobkit_run_context`` wrappers of one attempt: entered and left once, in its own task."""

    def __init__(self, hooks: Hooks, site: Site, order: Order, context: JobContext, attempt: Timed) -> None:
        from jobkit.plugins.values import Run

        self._site = site
        self._attempt = attempt
        self._wrappers: RunContext = hooks.run_context(
            Run(order.run, order.spec), context, threaded=is_called_in_thread(order.spec)
        )

    async def enter(self) -> None:
        """Enter all that can be entered; raises nothing but a cancellation."""
        clock, began = self._site.clock, self._site.clock.monotonic()
        self._attempt.pause()
        try:
            await self._wrappers.__aenter__()
        finally:
            self._attempt.resume(clock.monotonic() - began)

    async def leave(self, error: BaseException | None) -> None:
        """Leave them with what the attempt raised, which stays as it is."""
        self._attempt.pause()
        trace = error.__traceback__ if error is not None else None
        try:
            await self._wrappers.__aexit__(type(error) if error is not None else None, error, trace)
        finally:
            if error is not None:  # frames of plugins are no part of it
                error.__traceback__ = trace

    def hurry(self, until: float) -> None:
        """Have leaving them end by *until*, on the clock of the event loop."""
        self._wrappers.hurry(until)

    def around_call(self) -> AroundCall | None:
        """What is to be done in the thread of the job, if anything."""
        if not self._wrappers.has_plain:
            return None
        return AroundCall(self._wrappers, self._site, self._attempt)
