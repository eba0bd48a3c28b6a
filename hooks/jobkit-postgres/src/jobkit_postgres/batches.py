"""What is asked for one by one, and written together.

While one portion is on its way to the server the next ones gather: a single call waits for nobody, and a
hundred that come at the same moment share the statements and the commit of one transaction. Each is answered
after that commit.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from jobkit.plugin.stores import StoreError, StoreUnavailable

I = TypeVar("I")  # noqa: E741 -- an item
A = TypeVar("A")


@dataclass(slots=True, eq=False)
class _Waiting(Generic[I, A]):
    key: Hashable
    item: I
    answer: asyncio.Future[A]


class Batch(Generic[I, A]):
    """Carries items out by *write*, which answers them in their order, at most *most* at a time.

    Items with the same key are never in the same portion, and keep their order.
    """

    def __init__(self, write: Callable[[list[I]], Awaitable[list[A]]], *, most: int = 200) -> None:
        self._write = write
        self._most = most
        self._waiting: list[_Waiting[I, A]] = []
        self._task: asyncio.Task[None] | None = None

    async def add(self, key: Hashable, item: I) -> A:
        """What became of *item*. A cancelled call has either happened or not: what is on its way is waited
        for, what is not is taken back."""
        waiting: _Waiting[I, A] = _Waiting(key, item, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name="jobkit-store-batch")
        try:
            return await asyncio.shield(waiting.answer)
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            else:
                await _answered(waiting.answer)
            raise

    async def drain(self) -> None:
        """Until nothing waits."""
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    async def _work(self) -> None:
        await asyncio.sleep(0)  # whoever is about to ask in this round of the loop comes along
        while self._waiting:
            portion = self._take()
            try:
                await self._carry_out(portion)
            except BaseException as error:
                _fail(portion, error)
                if not isinstance(error, Exception):
                    raise

    def _take(self) -> list[_Waiting[I, A]]:
        portion: list[_Waiting[I, A]] = []
        rest: list[_Waiting[I, A]] = []
        keys: set[Hashable] = set()
        for waiting in self._waiting:
            fits = len(portion) < self._most and waiting.key not in keys
            keys.add(waiting.key)
            (portion if fits else rest).append(waiting)
        self._waiting = rest
        return portion

    async def _carry_out(self, portion: list[_Waiting[I, A]]) -> None:
        try:
            answers = await self._write([waiting.item for waiting in portion])
        except StoreUnavailable:
            raise
        except Exception:
            if len(portion) == 1:
                raise
            # The failure of one takes back nothing but itself.
            for waiting in portion:
                try:
                    await self._carry_out([waiting])
                except Exception as error:
                    _fail([waiting], error)
            return
        for waiting, answer in zip(portion, answers, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(answer)


def _fail(portion: list[_Waiting[I, A]], error: BaseException) -> None:
    for waiting in portion:
        if waiting.answer.done():
            continue
        if isinstance(error, StoreError):
            # Each its own: several tasks raise it, and each adds its frames.
            own = copy.copy(error)
            own.__cause__ = error.__cause__
            waiting.answer.set_exception(own)
        else:
            waiting.answer.set_exception(error)
        waiting.answer.exception()  # whoever asked may have been cancelled


async def _answered(answer: asyncio.Future[A]) -> None:
    import anyio

    while not answer.done():
        try:
            with anyio.CancelScope(shield=True):
                await asyncio.wait([answer])
        except asyncio.CancelledError:
            continue  # the caller raises the first one
