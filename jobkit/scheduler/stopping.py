"""The end of serving: what runs gets some time, then it is cancelled, and all of it is recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import anyio

#: What is cancelled has so long to clean up and to be recorded; the runner cuts attempts off before that.
RECORDING: Final = timedelta(seconds=5.5)


async def drain(
    idle: Callable[[], Awaitable[None]],
    cancel: Callable[[], None],
    *,
    grace: timedelta,
    hurry: anyio.Event,
    recording: timedelta = RECORDING,
) -> bool:
    """Wait until what goes on has ended; whether it has, and was recorded.

    *idle* returns once nothing goes on any more. That has *grace*, which *hurry* ends at once; then *cancel*
    is called, once, and *recording* is left for the rest.
    """
    if await _ended(idle, grace, hurry):
        return True
    cancel()
    return await _ended(idle, recording, None)


async def _ended(idle: Callable[[], Awaitable[None]], within: timedelta, hurry: anyio.Event | None) -> bool:
    over = False

    async def wait() -> None:
        nonlocal over
        await idle()
        over = True
        tasks.cancel_scope.cancel()

    with anyio.move_on_after(within.total_seconds()):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            if hurry is not None:
                await hurry.wait()
                tasks.cancel_scope.cancel()
    return over
