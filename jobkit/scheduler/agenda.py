"""What is due when, for as many jobs as one process has."""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

#: Entries that were replaced stay in the heap until they are at least so many, and more than half of it.
_MOST_STALE = 1000


class Agenda(Generic[Key]):
    """The next instant of each job, as epoch seconds. Belongs to one thread.

    A job is on it once; one that :meth:`due` has given is on it no more until it is scheduled again, so
    that the first of ten thousand jobs can start before the last has been looked at.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Key]] = []
        # The number of the entry that counts; an entry of another number was replaced.
        self._numbers: dict[Key, int] = {}
        self._number = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, key: Key) -> bool:
        return key in self._numbers

    def schedule(self, key: Key, at: int) -> None:
        """Have *key* due at *at*, in the place of whenever it was due."""
        self._number += 1
        self._numbers[key] = self._number
        heapq.heappush(self._heap, (at, self._number, key))
        if len(self._heap) > 2 * len(self._numbers) + _MOST_STALE:
            self._heap = [entry for entry in self._heap if self._numbers.get(entry[2]) == entry[1]]
            heapq.heapify(self._heap)

    def remove(self, key: Key) -> None:
        """Have *key* due no more. Idempotent."""
        self._numbers.pop(key, None)

    @property
    def next_at(self) -> int | None:
        """When the next job is due; None if none is scheduled."""
        while self._heap and self._numbers.get(self._heap[0][2]) != self._heap[0][1]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: float, limit: int) -> list[Key]:
        """Take the jobs off that are due at *now*, *limit* at most, the longest due first."""
        taken: list[Key] = []
        heap, numbers = self._heap, self._numbers
        while heap and heap[0][0] <= now and len(taken) < limit:
            _, number, key = heapq.heappop(heap)
            if numbers.get(key) == number:
                del numbers[key]
                taken.append(key)
        return taken
