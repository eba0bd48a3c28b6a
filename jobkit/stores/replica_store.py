"""What a run store promises about who serves it, and about what happened to the schedule.

Part of :class:`jobkit.stores.base.Store`; the rules at the head of :mod:`jobkit.stores.base` hold here too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from jobkit.stores.replicas import Event, EventPage, EventQuery, Replica, ReplicaState

MISSED_HEARTBEATS: Final = 3
"""A replica that has missed so many is not live any more."""


class ReplicaStore(Protocol):
    """The part of a store that knows who serves it."""

    async def register_replica(self, replica: Replica) -> None:
        """Take part, from now on; again under the same id to say what has changed, which counts as a
        heartbeat. One that was deregistered is registered again."""
        ...

    async def heartbeat(self, replica_id: str, *, interval: timedelta | None = None) -> bool:
        """Say that a replica is there. False if it is not registered: deregistered, or pruned.

        With *interval* the next ones come at that distance. ValueError unless it is longer than nothing.
        """
        ...

    async def deregister(self, replica_id: str) -> bool:
        """Take no further part. True for the one call that ended it, so that one process says so."""
        ...

    async def replicas(self, ids: Iterable[str] | None = None, *, hashes: bool = True) -> list[ReplicaState]:
        """Those that are registered, and were until they were pruned, in the order of registration.

        Of *ids* those that there are. Without *hashes* their ``jobs`` and ``schedules``, which may be long,
        are left empty.
        """
        ...

    async def add_events(self, events: Sequence[Event]) -> None:
        """Keep *events*, in their order, in one step."""
        ...

    async def events(self, query: EventQuery) -> EventPage:
        """The events that *query* selects, newest first."""
        ...
