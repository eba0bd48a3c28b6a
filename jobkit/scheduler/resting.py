"""Sleeping until a time has come, or until somebody has news."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio


async def rest(woken: anyio.Event, sleep: Callable[[], Awaitable[object]]) -> None:
    """Return once *woken* is set, or *sleep* has returned: then it is set, too."""

    async def awake() -> None:
        await sleep()
        woken.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(awake)
        await woken.wait()
        tasks.cancel_scope.cancel()
