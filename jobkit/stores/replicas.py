"""Who serves a store, and what happened to the schedule.

:mod:`jobkit.stores.replica_store` says what a store does with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, get_args

from jobkit.processes import ProcessIdentity
from jobkit.stores.ledger_store import check_page

ReplicaKind = Literal["scheduler", "worker"]

_KINDS: Final = frozenset(get_args(ReplicaKind))


def check_interval(interval: timedelta) -> None:
    """ValueError unless *interval* is one of heartbeats."""
    if interval <= timedelta(0):
        raise ValueError("a replica gives signs of life from time to time")


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
        check_interval(self.interval)


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """How a replica stands. *live*, by the store's clock: not deregistered, and its last heartbeat is less
    than three intervals ago. Whether its process is found dead is for the caller."""

    replica: Replica
    registered_at: datetime
    heartbeat_at: datetime
    stopped_at: datetime | None
    live: bool


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to the schedule, so that it can be explained: ``scheduler.started``,
    ``scheduler.stopped``, ``scheduler.vanished``, ``job.changed``, ``job.paused``, ``job.resumed``,
    ``job.late``, ``job.on_time``, ``clock.stepped``; ``overrides.written``, for schedulers to take them up.

    *actor* is who did it, *data* what else there is to say."""

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
