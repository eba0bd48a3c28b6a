"""Pauses, replicas and events as the store in memory keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from jobkit.stores import values
from jobkit.stores.control import Pause
from jobkit.stores.plain import clean_text
from jobkit.stores.replica_store import MISSED_HEARTBEATS
from jobkit.stores.replicas import Event, EventQuery, EventRecord, Replica, ReplicaState


@dataclass(slots=True)
class KeptReplica:
    """A replica as the store holds it."""

    replica: Replica
    registered_at: datetime
    heartbeat_at: datetime
    stopped_at: datetime | None = None

    def shown(self, at: datetime, *, hashes: bool) -> ReplicaState:
        overdue = self.heartbeat_at + MISSED_HEARTBEATS * self.replica.interval <= at
        live = self.stopped_at is None and not overdue
        replica = self.replica if hashes else replace(self.replica, jobs={}, schedules={})
        return ReplicaState(replica, self.registered_at, self.heartbeat_at, self.stopped_at, live)


@dataclass(slots=True)
class KeptService:
    """Replicas, in the order of their registration, pauses and events by id."""

    replicas: dict[str, KeptReplica] = field(default_factory=dict)
    pauses: dict[int, Pause] = field(default_factory=dict)
    last_pause: int = 0
    events: dict[int, EventRecord] = field(default_factory=dict)
    last_event: int = 0

    def going_on(self, job: str | None, at: datetime) -> Pause | None:
        """The pause of just that, if there is one at that time."""
        found = [pause for pause in self.pauses.values() if pause.job == job and goes_on(pause, at)]
        return found[0] if found else None

    def end_pause(self, pause: Pause, at: datetime, by: str) -> Pause:
        self.pauses[pause.id] = replace(pause, resumed_at=at, resumed_by=by)
        return self.pauses[pause.id]

    def add_event(self, event: Event) -> None:
        self.last_event += 1
        self.events[self.last_event] = EventRecord(self.last_event, event)

    def prune(self, before: datetime) -> None:
        for pause in [pause for pause in self.pauses.values() if _over(pause, before)]:
            del self.pauses[pause.id]
        for record in [record for record in self.events.values() if record.event.at < before]:
            del self.events[record.id]
        for id_, kept in [*self.replicas.items()]:
            if kept.heartbeat_at < before:
                del self.replicas[id_]


def goes_on(pause: Pause, at: datetime) -> bool:
    return pause.resumed_at is None and (pause.until is None or pause.until > at)


def _over(pause: Pause, before: datetime) -> bool:
    return any(end is not None and end < before for end in (pause.until, pause.resumed_at))


def clean_replica(replica: Replica) -> Replica:
    """*replica* as a store gives it back."""
    return Replica(
        id=clean_text(replica.id),
        kind=replica.kind,
        owner=replica.owner,
        node=clean_text(replica.node),
        interval=values.clean_duration(replica.interval),
        jobs=values.clean_hashes(replica.jobs),
        schedules=values.clean_hashes(replica.schedules),
        details=values.decode(values.encode(replica.details)),
    )


def clean_event(event: Event) -> Event:
    """*event* as a store gives it back."""
    return Event(
        kind=clean_text(event.kind),
        at=values.from_micros(values.to_micros(event.at)),
        job=values.optional_text(event.job),
        actor=values.optional_text(event.actor),
        data=values.decode(values.encode(event.data)),
    )


def newest_event(record: EventRecord) -> tuple[int, int]:
    """Sorts the newest first."""
    return -values.to_micros(record.event.at), -record.id


def event_selected(record: EventRecord, query: EventQuery) -> bool:
    event = record.event
    return (
        (query.kinds is None or event.kind in {clean_text(kind) for kind in query.kinds})
        and (query.jobs is None or event.job in {clean_text(job) for job in query.jobs})
        and (query.since is None or event.at >= query.since)
        and (query.until is None or event.at < query.until)
    )
