"""What is due, taken from every second at once."""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Docket(Generic[Item]):
    """Items by the second that they are due at. Belongs to one thread.

    Ten thousand of one second keep nobody waiting who is due at the next: each second that has any gives its
    share to what is taken. Of one second those come first that are due most often: they would otherwise miss
    the next as well.
    """

    def __init__(self) -> None:
        self._seconds: dict[int, list[tuple[int, int, Item]]] = {}
        self._number = 0
        self._newest_first = False
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, second: int, item: Item, *, since: int) -> None:
        """*item* is due at *second*, *since* seconds after it was before."""
        self._number += 1
        heapq.heappush(self._seconds.setdefault(second, []), (since, self._number, item))
        self._count += 1

    def clear(self) -> None:
        """Nothing is due."""
        self._seconds.clear()
        self._count = 0

    def take(self, limit: int) -> list[Item]:
        """Take *limit* items off at most, in equal parts from all seconds, the first of each first.

        Where there are more seconds than that, the oldest have their turn, then the newest.
        """
        self._newest_first = not self._newest_first
        taken: list[Item] = []
        while self._seconds and len(taken) < limit:
            share = max(1, (limit - len(taken)) // len(self._seconds))
            for second in sorted(self._seconds, reverse=self._newest_first):
                items = self._seconds[second]
                part = min(share, len(items), limit - len(taken))
                taken.extend(heapq.heappop(items)[2] for _ in range(part))
                if not items:
                    del self._seconds[second]
        self._count -= len(taken)
        return taken
