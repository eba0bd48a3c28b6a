"""Queued runs that were left in the store: they wait for something, or could not be executed here."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final

from jobkit.exceptions import RunNotFound
from jobkit.statuses import RunStatus

if TYPE_CHECKING:
    from jobkit.records import RunRecord
    from jobkit.scheduler.post import Post

#: Seconds before a run that failed to be executed is tried again: the first time, and at most.
FIRST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 300.0
#: The same where it was the store that did not have it: what is mended there is mended for all.
FIRST_STORE_PAUSE: Final = 1.0
LONGEST_STORE_PAUSE: Final = 30.0
#: So many are looked at again at a time, to see whether somebody else has them.
_AT_ONCE: Final = 20


@dataclass(slots=True)
class _Left:
    """Until when, by the clock's ``monotonic``, it is left alone, and for how long that was, in seconds."""

    rests_until: float = 0.0
    pause: float = 0.0


class Leftovers:
    """What is known of them here. Belongs to the event loop."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._runs: dict[str, _Left] = {}
        self._unwilling: set[str] = set()

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def unwilling(self) -> int:
        """How many of them could start as the store sees it, and are not started here."""
        return len(self._unwilling)

    def add(self, record: RunRecord, *, unwilling: bool = False) -> None:
        """It waits: for others, which the store knows of, or because this process cannot execute it."""
        self._runs.setdefault(record.id, _Left())
        (self._unwilling.add if unwilling else self._unwilling.discard)(record.id)

    def put_off(self, record: RunRecord, *, store: bool = False) -> float:
        """It could not be executed, for an error of the *store* or another; for how many seconds it is left
        alone: longer each time."""
        first, most = (FIRST_STORE_PAUSE, LONGEST_STORE_PAUSE) if store else (FIRST_PAUSE, LONGEST_PAUSE)
        left = self._runs.setdefault(record.id, _Left())
        self._unwilling.add(record.id)
        left.pause = min(2 * left.pause, most) or first
        left.rests_until = self._post.clock.monotonic() + left.pause
        return left.pause

    @property
    def next_in(self) -> float:
        """After how many seconds the first of those that are left alone is to be tried again."""
        now = self._post.clock.monotonic()
        return min(
            (left.rests_until - now for left in self._runs.values() if left.rests_until > now), default=inf
        )

    def rests(self, run_id: str) -> bool:
        """Whether it is to be left alone for now."""
        left = self._runs.get(run_id)
        return left is not None and self._post.clock.monotonic() < left.rests_until

    def discard(self, run_id: str) -> None:
        """It is none any more. Idempotent."""
        self._runs.pop(run_id, None)
        self._unwilling.discard(run_id)

    async def forget_others(self) -> None:
        """Strike out, some at a time, what somebody else executes or has ended. StoreUnavailable."""
        for run_id in list(self._runs)[:_AT_ONCE]:
            try:
                waits = (await self._post.store.run(run_id)).status is RunStatus.QUEUED
            except RunNotFound:
                waits = False
            left = self._runs.pop(run_id, None)
            if waits and left is not None:
                self._runs[run_id] = left  # behind the others, whose turn it is next
            else:
                self._unwilling.discard(run_id)
