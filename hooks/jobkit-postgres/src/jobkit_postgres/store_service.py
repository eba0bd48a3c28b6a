"""Pauses, replicas and events of the store as the outside sees them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from jobkit.plugin.stores import (
    Event,
    EventPage,
    EventQuery,
    Pause,
    Replica,
    ReplicaState,
    check_interval,
    clean_duration,
    clean_text,
    duration_micros,
    optional_micros,
    optional_text,
    write_position,
)
from jobkit_postgres import events, pauses, replicas
from jobkit_postgres.store_part import StorePart
from jobkit_postgres.transaction import Transaction


class ServicePart(StorePart):
    """The part of :class:`~jobkit_postgres.store.PostgresStore` that knows who serves it, and what for."""

    # -- pauses ---------------------------------------------------------------------------------

    async def pause(
        self, job: str | None, *, until: datetime | None = None, by: str, reason: str | None = None
    ) -> Pause:
        name, end, who, why = (
            optional_text(job),
            optional_micros(until),
            clean_text(by),
            optional_text(reason),
        )
        return pauses.pause_of(await self._write_and_wake(lambda tx: pauses.pause(tx, name, end, who, why)))

    async def resume(self, job: str | None, *, by: str) -> Pause | None:
        name, who = optional_text(job), clean_text(by)
        row = await self._write_and_wake(lambda tx: pauses.resume(tx, name, who))
        return None if row is None else pauses.pause_of(row)

    async def pauses(self, *, since: datetime | None = None) -> list[Pause]:
        after = optional_micros(since)
        return list(map(pauses.pause_of, await self._database.read(lambda tx: pauses.pauses(tx, after))))

    # -- replicas -------------------------------------------------------------------------------

    async def register_replica(self, replica: Replica) -> None:
        values = replicas.values_of(replica)
        await self._write_and_wake(lambda tx: replicas.register(tx, values))

    async def heartbeat(self, replica_id: str, *, interval: timedelta | None = None) -> bool:
        if interval is not None:
            check_interval(interval)
        id_ = clean_text(replica_id)
        distance = None if interval is None else duration_micros(clean_duration(interval))
        return await self._database.write(lambda tx: replicas.heartbeat(tx, id_, distance))

    async def deregister(self, replica_id: str) -> bool:
        id_ = clean_text(replica_id)
        return await self._write_and_wake(lambda tx: replicas.deregister(tx, id_))

    async def replicas(self, ids: Iterable[str] | None = None, *, hashes: bool = True) -> list[ReplicaState]:
        wanted = None if ids is None else list(map(clean_text, ids))

        async def work(tx: Transaction) -> list[ReplicaState]:
            found = await replicas.states(tx, wanted, hashes=hashes)
            return [replicas.replica_state(row, tx.at) for row in found]

        return await self._database.read(work)

    # -- events ---------------------------------------------------------------------------------

    async def add_events(self, events_: Sequence[Event]) -> None:
        rows = list(map(events.values_of, events_))
        if rows:
            await self._write_and_wake(lambda tx: events.add(tx, rows))

    async def events(self, query: EventQuery) -> EventPage:
        found, end = await self._database.read(lambda tx: events.page(tx, query))
        following = None if end is None else write_position(end)
        return EventPage(tuple(map(events.event_record, found)), following)
