"""Telling plugins of a run that is over: they have the time that they need, until somebody wants to stop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from jobkit.runner.patience import Patience


async def told(
    tell: Callable[[], Awaitable[None]], patience: Patience, until: float | None, cleanup: float
) -> bool:
    """Whether *tell* came to its end.

    Once *patience* was interrupted it goes on *until* then, by the event loop's time, or *cleanup* more
    seconds if that is None. A cancellation that comes meanwhile is noted there, not raised.
    """
    scope, over = anyio.CancelScope(shield=True), anyio.Event()

    async def call() -> None:
        with scope:
            await tell()
        over.set()

    def hurry() -> None:
        scope.deadline = min(scope.deadline, until or anyio.current_time() + cleanup)

    if patience.interrupted is not None:
        hurry()
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            try:
                with anyio.CancelScope(shield=patience.interrupted is not None):
                    await over.wait()
            except anyio.get_cancelled_exc_class():
                hurry()
                raise
    except anyio.get_cancelled_exc_class() as cancellation:
        patience.interrupted = cancellation
    return not scope.cancelled_caught
