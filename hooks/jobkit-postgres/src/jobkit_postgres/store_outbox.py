"""The outbox of the store as the outside sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from jobkit.plugin import rows
from jobkit.plugin.stores import (
    DeadLetter,
    OutboxEntry,
    OutboxVerdict,
    ProcessIdentity,
    SinkLease,
    SinkRegistration,
    SinkState,
    brief_error,
    check_limit,
    clean_count,
    clean_duration,
    clean_text,
    decode_owner,
    duration_micros,
    encode_owner,
    from_micros,
    optional_micros,
    optional_text,
)
from jobkit_postgres import outbox
from jobkit_postgres.store_part import StorePart


class OutboxPart(StorePart):
    """The part of :class:`~jobkit_postgres.store.PostgresStore` that keeps what sinks wait for."""

    async def register_sinks(self, sinks: Iterable[SinkRegistration]) -> None:
        values = [(clean_text(sink.name), duration_micros(clean_duration(sink.max_age))) for sink in sinks]
        if values:
            await self._database.write(lambda tx: outbox.register(tx, values))

    async def take_sink(
        self,
        name: str,
        owner: ProcessIdentity,
        duration: timedelta,
        *,
        dead: Callable[[ProcessIdentity], bool] | None = None,
    ) -> SinkLease | None:
        self._database.check_writing()
        name, mine, of_dead = clean_text(name), encode_owner(owner), None
        # Whether its owner lives is the caller's code, and not asked while anything is locked.
        found = await self._database.read(lambda tx: outbox.holder(tx, name))
        if found is None:
            return None
        fence, holder, expires_at, at = found
        if holder not in (None, mine) and expires_at is not None and expires_at > at:
            if dead is None or not dead(decode_owner(holder)):
                return None
            of_dead = fence
        micros = duration_micros(duration)
        taken = await self._database.write(lambda tx: outbox.take(tx, name, mine, micros, of_dead))
        return None if taken is None else SinkLease(name, owner, taken[0], from_micros(taken[1]))

    async def release_sink(self, lease: SinkLease) -> None:
        name, fence = clean_text(lease.sink), clean_count(lease.fence)
        await self._database.write(lambda tx: outbox.release(tx, name, fence))

    async def outbox(self, sink: str, *, after: int = 0, limit: int = 100) -> list[OutboxEntry]:
        check_limit(limit)
        name, behind = clean_text(sink), clean_count(after)
        found = await self._database.read(lambda tx: outbox.waiting(tx, name, behind, limit))
        return list(map(rows.outbox_entry, found))

    async def settle_outbox(
        self,
        lease: SinkLease,
        verdicts: Sequence[OutboxVerdict],
        *,
        failures: int,
        suspended_until: datetime | None,
        error: str | None,
    ) -> bool:
        name, fence = clean_text(lease.sink), clean_count(lease.fence)
        standing = (clean_count(failures), optional_micros(suspended_until), brief_error(error))
        values = [rows.verdict_values(verdict) for verdict in verdicts]
        return await self._database.write(lambda tx: outbox.settle(tx, name, fence, standing, values))

    async def sinks(self) -> list[SinkState]:
        return [rows.sink_state(row) for row in await self._database.read(outbox.states)]

    async def remove_sink(self, name: str) -> bool:
        name = clean_text(name)
        return await self._database.write(lambda tx: outbox.remove(tx, name))

    async def dead_letters(
        self, *, sink: str | None = None, after: int = 0, limit: int = 100
    ) -> list[DeadLetter]:
        check_limit(limit)
        name, behind = optional_text(sink), clean_count(after)
        found = await self._database.read(lambda tx: outbox.letters(tx, name, behind, limit))
        return list(map(rows.dead_letter, found))

    async def replay(self, *, sink: str | None = None, ids: Iterable[int] | None = None) -> int:
        name, wanted = optional_text(sink), _counts(ids)
        return await self._database.write(lambda tx: outbox.replay(tx, name, wanted))

    async def drop_dead_letters(self, *, sink: str | None = None, ids: Iterable[int] | None = None) -> int:
        name, wanted = optional_text(sink), _counts(ids)
        return await self._database.write(lambda tx: outbox.drop(tx, name, wanted))


def _counts(ids: Iterable[int] | None) -> list[int] | None:
    return None if ids is None else [clean_count(number) for number in ids]
