"""What a run store promises about runs that wait, and about threads that nobody can stop.

Part of :class:`jobkit.stores.base.Store`; the rules at the head of :mod:`jobkit.stores.base` hold here too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from jobkit.records import RunRecord
    from jobkit.stores.base import Lease, Outcome


class QueueStore(Protocol):
    """The part of a store that says what is to be started, and what keeps it from that."""

    async def queued(
        self,
        *,
        jobs: Collection[str] | None = None,
        queues: Collection[str] | None = None,
        node: str | None = None,
        now: datetime | None = None,
        limits: Mapping[str, int] | None = None,
        limit: int = 100,
    ) -> list[RunRecord]:
        """Queued runs that could be started now, the highest priority first, then the lowest number.

        Of *jobs* and of *queues*, all if None; those for one node only if it is *node*, or if that is None.
        Not before their time, which *now* is compared with (None: the store's clock); not those that somebody
        has the lease of; nor those that ``start_attempt`` with the same *limits* would keep waiting for
        what is executed now.
        *limit* lies between 1 and 10,000: ValueError beyond.
        """
        ...

    async def next_queued(self) -> datetime | None:
        """When the next of the queued runs that wait for their time, and for nobody, may start; None if none
        does. It lies after the store's clock."""
        ...

    async def end_queued(self, run_id: str, outcome: Outcome) -> RunRecord | None:
        """End a queued run that nobody has the lease of, without another attempt: misfire, unknown job.

        None if it is executed, or somebody has its lease; one that has ended already is returned as it did.
        Sinks get it as any other. RunNotFound if there is no such run.
        """
        ...

    async def abandon(self, lease: Lease) -> bool:
        """Mark a lease that stands as abandoned: its attempt may end, and its thread goes on.

        From then on the lease is renewed, settled and counted, for overlap and limits, until
        ``release_abandoned``, whatever becomes of its run; no further attempt of that run starts meanwhile.
        To be called before ``finish`` or ``retry_later``. False if the lease was fenced or has ended.
        """
        ...

    async def release_abandoned(self, lease: Lease) -> None:
        """The thread has ended: the lease ends with it, unless its run goes on under it. Idempotent."""
        ...
