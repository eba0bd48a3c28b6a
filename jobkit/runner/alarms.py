"""Deadlines of many attempts, watched by one task: a timer for each would cost more than the attempt."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

#: Alarms that were put off stay in the heap until they are at least so many, and half of it.
_MOST_DEAD = 1000


@dataclass(slots=True, order=True)
class Alarm:
    """Rings once, at *at* by the event loop's clock, unless it is put off before."""

    at: float
    number: int
    call: Callable[[], None] | None = field(compare=False)


class Alarms:
    """All methods belong to the event loop. What an alarm calls must neither raise nor wait."""

    def __init__(self) -> None:
        self._heap: list[Alarm] = []
        self._number = 0
        self._dead = 0
        self._earlier = anyio.Event()

    def set(self, at: float, call: Callable[[], None]) -> Alarm:
        """Have *call* called once ``anyio.current_time()`` has reached *at*."""
        self._number += 1
        alarm = Alarm(at, self._number, call)
        heapq.heappush(self._heap, alarm)
        if self._heap[0] is alarm:
            self._earlier.set()
        return alarm

    def put_off(self, alarm: Alarm) -> None:
        """Do not let *alarm* ring. Idempotent."""
        if alarm.call is None:
            return
        alarm.call = None
        self._dead += 1
        if self._dead > _MOST_DEAD and self._dead * 2 > len(self._heap):
            self._heap = [kept for kept in self._heap if kept.call is not None]
            heapq.heapify(self._heap)
            self._dead = 0

    async def serve(self) -> None:
        """Let them ring until cancelled."""
        while True:
            self._earlier = anyio.Event()
            self._ring()
            with anyio.CancelScope(deadline=self._heap[0].at if self._heap else float("inf")):
                await self._earlier.wait()

    def _ring(self) -> None:
        now = anyio.current_time()
        while self._heap and self._heap[0].at <= now:
            alarm = heapq.heappop(self._heap)
            call, alarm.call = alarm.call, None
            if call is None:
                self._dead -= 1
            else:
                call()
