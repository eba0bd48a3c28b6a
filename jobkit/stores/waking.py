"""What a run store promises about waking those who wait for work.

Part of :class:`jobkit.stores.base.Store`; the rules at the head of :mod:`jobkit.stores.base` hold here too.
"""

from __future__ import annotations

from typing import Final, Protocol

POLL: Final = 5.0
"""Seconds after which a wait ends where processes cannot wake each other."""


class WakingStore(Protocol):
    """The part of a store that lets its users sleep."""

    async def wait(self, seconds: float) -> bool:
        """Until another user of the store has written what concerns schedulers; False after *seconds*.

        That is: a run was inserted by ``add_run`` or queued again, a run or a thread has ended that others
        may have waited for (it had limits, or an overlap that queues), somebody asked for a cancellation, a
        pause or its end, a job was registered with another schedule, a replica came or went, an event was
        added. What was written after the wait before, or after the first, ends the next one at once. The own
        writes of this object wake it not.

        It is a hint. It may come for nothing; and one is lost when a process dies just after its write, so
        whoever waits looks from time to time. Where processes cannot wake each other it comes every
        :data:`POLL` seconds. Several tasks may wait at a time.
        """
        ...
