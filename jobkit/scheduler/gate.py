"""Who is next where more runs are ready than a process executes at a time."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from jobkit.job import JobSpec


class _Waiter:
    __slots__ = ("called", "event", "gone")

    def __init__(self) -> None:
        self.event = anyio.Event()
        self.called = False
        self.gone = False


#: Those who wait, by what they belong to; the group that is next stands first.
_Line = OrderedDict[Hashable, deque[_Waiter]]


class FairGate:
    """Some *places*: those of the highest priority have them first, of one priority each group in its turn.

    So ten thousand runs of one second do not hold up the few of the next. Within a group first come, first
    served. Belongs to the event loop.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._lines: dict[int, _Line] = {}
        self._closed = False
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """How many stand before it."""
        return self._waiting

    async def enter(self, priority: int, group: Hashable) -> bool:
        """Have a place, once there is one; False if the gate is closed first, or was before."""
        if self._closed:
            return False
        if self._free:
            self._free -= 1
            return True
        waiter = _Waiter()
        line = self._lines.setdefault(priority, OrderedDict())
        line.setdefault(group, deque()).append(waiter)
        self._waiting += 1
        try:
            await waiter.event.wait()
        except anyio.get_cancelled_exc_class():
            if waiter.called:
                self.leave()
            elif not self._closed:
                waiter.gone = True
                self._waiting -= 1
            raise
        return waiter.called

    def leave(self) -> None:
        """Give the place to whoever is next."""
        waiter = None if self._closed else self._next()
        if waiter is None:
            self._free += 1
            return
        self._waiting -= 1
        waiter.called = True
        waiter.event.set()

    def close(self) -> None:
        """Let nobody in any more; those who wait go away. Idempotent."""
        self._closed = True
        for line in self._lines.values():
            for group in line.values():
                for waiter in group:
                    waiter.event.set()
        self._lines.clear()
        self._waiting = 0

    def _next(self) -> _Waiter | None:
        while self._lines:
            priority = max(self._lines)
            line = self._lines[priority]
            group = next(iter(line))
            waiter = line[group].popleft()
            if line[group]:
                line.move_to_end(group)
            else:
                del line[group]
            if not line:
                del self._lines[priority]
            if not waiter.gone:
                return waiter
        return None


class Room:
    """How many more runs are worth a try by what *limits* there are: more would only find them full."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        self._left = dict(limits)

    def take(self, spec: JobSpec) -> bool:
        """Whether there is room for a run of *spec*; then it has it."""
        names = [name for name in spec.limits if name in self._left]
        if any(self._left[name] <= 0 for name in names):
            return False
        for name in names:
            self._left[name] -= 1
        return True
