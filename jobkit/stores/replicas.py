"""What a run store promises about who serves it, and about what happened to the schedule.

Part of :class:`jobkit.stores.base.Store`; the rules at the head of :mod:`jobkit.stores.base` hold here too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol, get_args

from jobkit.processes import ProcessIdentity
from jobkit.stores.ledger import check_page

MISSED_HEARTBEATS: Final = 3
"""A replica that has missed so many is not live any more."""

ReplicaKind = Literal["scheduler", "worker"]

_KINDS: Final = frozenset(get_args(ReplicaKind))


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A process that serves, as it registers itself; *id* is made by it, new each time it starts.

    *interval* is that of its heartbeats. *jobs* has the hash of each job's effective options by name,
    *schedules* that of each job that it makes ticks for, by the text of its :class:`~.ledger.JobKey`.
    """

    id: str
    kind: ReplicaKind
    owner: ProcessIdentity
    node: str
    interval: timedelta
    jobs: Mapping[str, str] = field(default_factory=dict)
    schedules: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ValueError(f"a replica is one of {', '.join(sorted(_KINDS))}, not {self.kind!r}")
        if self.interval <= timedelta(0):
            raise ValueError("a replica gives signs of life from time to time")


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """How a replica stands. *live*, by the store's clock: not deregistered, and its last heartbeat is less
    than :data:`MISSED_HEARTBEATS` intervals ago. Whether its process is found dead is for the caller."""

    replica: Replica
    registered_at: datetime
    heartbeat_at: datetime
    stopped_at: datetime | None
    live: bool


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to the schedule, so that it can be explained: ``scheduler.started``,
    ``scheduler.stopped``, ``scheduler.vanished``, ``job.changed``, ``job.paused``, ``job.resumed``,
    ``clock.stepped``. *actor* is who did it, *data* what else there is to say."""

    kind: str
    at: datetime
    job: str | None = None
    actor: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event as it is kept; ids only grow."""

    id: int
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """Which events to read; None means any. *since* and *until* bound ``at`` as [since, until).

    *after* is the ``next`` of the page before. *limit* lies between 1 and 10,000: ValueError beyond.
    """

    kinds: Sequence[str] | None = None
    jobs: Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 100
    after: str | None = None

    def __post_init__(self) -> None:
        check_page(self.limit, "events")


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events, newest first: by ``at``, and of equal ones the highest id. *next* continues after the last."""

    events: tuple[EventRecord, ...]
    next: str | None


class ReplicaStore(Protocol):
    """The part of a store that knows who serves it."""

    async def register_replica(self, replica: Replica) -> None:
        """Take part, from now on; again under the same id to say what has changed, which counts as a
        heartbeat. One that was deregistered is registered again."""
        ...

    async def heartbeat(self, replica_id: str) -> bool:
        """Say that a replica is there. False if it is not registered: deregistered, or pruned."""
        ...

    async def deregister(self, replica_id: str) -> bool:
        """Take no further part. True for the one call that ended it, so that one process says so."""
        ...

    async def replicas(self) -> list[ReplicaState]:
        """Those that are registered, and were until they were pruned, in the order of registration."""
        ...

    async def add_events(self, events: Sequence[Event]) -> None:
        """Keep *events*, in their order, in one step."""
        ...

    async def events(self, query: EventQuery) -> EventPage:
        """The events that *query* selects, newest first."""
        ...
