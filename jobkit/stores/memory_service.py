"""Pauses, replicas and events of the store in memory."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from jobkit.stores import values
from jobkit.stores.control import Pause, paused_event
from jobkit.stores.kept_service import (
    KeptReplica,
    clean_event,
    clean_replica,
    event_selected,
    goes_on,
    newest_event,
)
from jobkit.stores.memory_rules import Rules
from jobkit.stores.paging import read_position, write_position
from jobkit.stores.plain import clean_text
from jobkit.stores.replicas import (
    Event,
    EventPage,
    EventQuery,
    Replica,
    ReplicaState,
    check_interval,
)


class MemoryService(Rules):
    """The part of :class:`~jobkit.stores.memory.MemoryStore` that knows who serves it, and what for."""

    # -- pauses ---------------------------------------------------------------------------------

    async def pause(
        self, job: str | None, *, until: datetime | None = None, by: str, reason: str | None = None
    ) -> Pause:
        job, by, reason = values.optional_text(job), clean_text(by), values.optional_text(reason)
        until = values.optional_instant(values.optional_micros(until))
        with await self._turn():
            service, at = self._kept.service, self._exactly_now()
            before = service.going_on(job, at)
            if before is not None:
                service.end_pause(before, at, by)
            service.last_pause += 1
            pause = Pause(service.last_pause, job, at, until, by, reason)
            service.pauses[pause.id] = pause
            service.add_event(paused_event(pause))
            self._wake_others()
            return pause

    async def resume(self, job: str | None, *, by: str) -> Pause | None:
        job, by = values.optional_text(job), clean_text(by)
        with await self._turn():
            service, at = self._kept.service, self._exactly_now()
            pause = service.going_on(job, at)
            if pause is None:
                return None
            service.add_event(Event("job.resumed", at, job, by))
            self._wake_others()
            return service.end_pause(pause, at, by)

    async def pauses(self, *, since: datetime | None = None) -> list[Pause]:
        since = values.optional_instant(values.optional_micros(since))
        with await self._turn():
            at = self._exactly_now()
            return [
                pause
                for pause in self._kept.service.pauses.values()
                if goes_on(pause, at)
                or (
                    since is not None
                    and all(end is None or end > since for end in (pause.until, pause.resumed_at))
                )
            ]

    # -- replicas -------------------------------------------------------------------------------

    async def register_replica(self, replica: Replica) -> None:
        replica = clean_replica(replica)
        with await self._turn():
            at = self._exactly_now()
            kept = self._kept.service.replicas.get(replica.id)
            if kept is None:
                self._kept.service.replicas[replica.id] = KeptReplica(replica, at, at)
            else:
                kept.replica, kept.heartbeat_at, kept.stopped_at = replica, at, None
            self._wake_others()

    async def heartbeat(self, replica_id: str, *, interval: timedelta | None = None) -> bool:
        if interval is not None:
            check_interval(interval)
        with await self._turn():
            kept = self._kept.service.replicas.get(clean_text(replica_id))
            if kept is None or kept.stopped_at is not None:
                return False
            kept.heartbeat_at = self._exactly_now()
            if interval is not None:
                kept.replica = replace(kept.replica, interval=values.clean_duration(interval))
            return True

    async def deregister(self, replica_id: str) -> bool:
        with await self._turn():
            kept = self._kept.service.replicas.get(clean_text(replica_id))
            if kept is None or kept.stopped_at is not None:
                return False
            kept.stopped_at = self._exactly_now()
            self._wake_others()
            return True

    async def replicas(self, ids: Iterable[str] | None = None, *, hashes: bool = True) -> list[ReplicaState]:
        wanted = None if ids is None else frozenset(map(clean_text, ids))
        with await self._turn():
            at = self._exactly_now()
            found = [
                kept.shown(at, hashes=hashes)
                for id_, kept in self._kept.service.replicas.items()
                if wanted is None or id_ in wanted
            ]
            return copy.deepcopy(found)

    # -- events ---------------------------------------------------------------------------------

    async def add_events(self, events: Sequence[Event]) -> None:
        cleaned = list(map(clean_event, events))
        with await self._turn():
            for event in cleaned:
                self._kept.service.add_event(event)
            if cleaned:
                self._wake_others()

    async def events(self, query: EventQuery) -> EventPage:
        after = None if query.after is None else read_position(query.after)
        with await self._turn():
            found = [record for record in self._kept.service.events.values() if event_selected(record, query)]
        found.sort(key=newest_event)
        if after is not None:
            found = [record for record in found if newest_event(record) > (-after[0], -after[1])]
        page = tuple(copy.deepcopy(found[: query.limit]))
        if len(found) <= query.limit:
            return EventPage(page, None)
        at, number = newest_event(page[-1])
        return EventPage(page, write_position((-at, -number)))
