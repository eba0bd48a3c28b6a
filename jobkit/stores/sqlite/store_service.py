"""Pauses, replicas and events of the embedded store as the outside sees them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import anyio.to_thread

from jobkit.stores.paging import write_position
from jobkit.stores.plain import clean_text
from jobkit.stores.sqlite.store_part import StorePart
from jobkit.stores.values import clean_duration, duration_micros, optional_micros, optional_text, to_micros

if TYPE_CHECKING:
    from jobkit.stores.control import Pause
    from jobkit.stores.replicas import Event, EventPage, EventQuery, Replica, ReplicaState


class ServicePart(StorePart):
    """The part of :class:`~jobkit.stores.sqlite.store.SqliteStore` that knows who serves it, and what for."""

    # -- pauses ---------------------------------------------------------------------------------

    async def pause(
        self, job: str | None, *, until: datetime | None = None, by: str, reason: str | None = None
    ) -> Pause:
        from jobkit.stores.sqlite import pauses

        work = partial(
            pauses.pause,
            job=optional_text(job),
            until=optional_micros(until),
            by=clean_text(by),
            reason=optional_text(reason),
            now=self._now,
        )
        return pauses.pause_of(await self._write_and_wake(work))

    async def resume(self, job: str | None, *, by: str) -> Pause | None:
        from jobkit.stores.sqlite import pauses

        work = partial(pauses.resume, job=optional_text(job), by=clean_text(by), now=self._now)
        row = await self._write_and_wake(work)
        return None if row is None else pauses.pause_of(row)

    async def pauses(self, *, since: datetime | None = None) -> list[Pause]:
        from jobkit.stores.sqlite import pauses

        work = partial(pauses.pauses, since=optional_micros(since), at=to_micros(self._now()))
        return list(map(pauses.pause_of, await self._database.read(work)))

    # -- replicas -------------------------------------------------------------------------------

    async def register_replica(self, replica: Replica) -> None:
        from jobkit.stores.sqlite import replicas

        # In threads, as reading them: hashes of very many jobs take their time.
        values = await anyio.to_thread.run_sync(replicas.values_of, replica)
        work = partial(replicas.register, replica=values, now=self._now)
        await self._write_and_wake(work)

    async def heartbeat(self, replica_id: str, *, interval: timedelta | None = None) -> bool:
        from jobkit.stores.replicas import check_interval
        from jobkit.stores.sqlite import replicas

        if interval is not None:
            check_interval(interval)
        work = partial(
            replicas.heartbeat,
            replica_id=clean_text(replica_id),
            interval=None if interval is None else duration_micros(clean_duration(interval)),
            now=self._now,
        )
        return await self._database.write(work)

    async def deregister(self, replica_id: str) -> bool:
        from jobkit.stores.sqlite import replicas

        work = partial(replicas.deregister, replica_id=clean_text(replica_id), now=self._now)
        return await self._write_and_wake(work)

    async def replicas(self, ids: Iterable[str] | None = None, *, hashes: bool = True) -> list[ReplicaState]:
        from jobkit.stores.sqlite import replicas

        wanted = None if ids is None else list(map(clean_text, ids))
        at = to_micros(self._now())

        def read(connection: sqlite3.Connection) -> list[ReplicaState]:
            found = replicas.states(connection, wanted, hashes=hashes)
            return [replicas.replica_state(row, at) for row in found]

        return await self._database.read(read)

    # -- events ---------------------------------------------------------------------------------

    async def add_events(self, events_: Sequence[Event]) -> None:
        from jobkit.stores.sqlite import events

        rows = list(map(events.values_of, events_))
        if rows:
            await self._write_and_wake(partial(events.add, events=rows))

    async def events(self, query: EventQuery) -> EventPage:
        from jobkit.stores.replicas import EventPage
        from jobkit.stores.sqlite import events

        found, end = await self._database.read(partial(events.page, query=query))
        following = None if end is None else write_position(end)
        return EventPage(tuple(map(events.event_record, found)), following)
