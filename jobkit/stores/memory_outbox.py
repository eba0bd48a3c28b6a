"""The outbox of the store in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from jobkit.processes import ProcessIdentity
from jobkit.stores import values
from jobkit.stores.kept_outbox import KeptSink
from jobkit.stores.memory_rules import Rules
from jobkit.stores.outbox import (
    DeadLetter,
    OutboxEntry,
    OutboxVerdict,
    SinkLease,
    SinkRegistration,
    SinkState,
)
from jobkit.stores.outbox_store import check_limit
from jobkit.stores.plain import clean_text


class MemoryOutbox(Rules):
    """The part of :class:`~jobkit.stores.memory.MemoryStore` that keeps what sinks have yet to be given."""

    async def register_sinks(self, sinks: Iterable[SinkRegistration]) -> None:
        cleaned = [(clean_text(sink.name), values.clean_duration(sink.max_age)) for sink in sinks]
        with await self._turn():
            for name, max_age in cleaned:
                self._kept.outbox.register(name, max_age, self._exactly_now())

    async def take_sink(
        self,
        name: str,
        owner: ProcessIdentity,
        duration: timedelta,
        *,
        dead: Callable[[ProcessIdentity], bool] | None = None,
    ) -> SinkLease | None:
        name = clean_text(name)
        with await self._turn():
            at = self._exactly_now()
            sink = self._kept.outbox.registered(name)
            if sink is None:
                return None
            held = sink.lease
            if held is None or held.owner != owner:
                over = held is None or held.expires_at <= at or (dead is not None and dead(held.owner))
                if not over:
                    return None
                sink.fence += 1
            sink.seen_at = at
            sink.lease = SinkLease(name, owner, sink.fence, at + duration)
            return sink.lease

    async def release_sink(self, lease: SinkLease) -> None:
        with await self._turn():
            sink = self._holds_sink(lease)
            if sink is not None:
                sink.lease = None

    async def outbox(self, sink: str, *, after: int = 0, limit: int = 100) -> list[OutboxEntry]:
        check_limit(limit)
        with await self._turn():
            found = self._kept.outbox.entries(clean_text(sink))
            return [entry for entry in found if entry.id > after][:limit]

    async def settle_outbox(
        self,
        lease: SinkLease,
        verdicts: Sequence[OutboxVerdict],
        *,
        failures: int,
        suspended_until: datetime | None,
        error: str | None,
    ) -> bool:
        for verdict in verdicts:
            values.optional_micros(verdict.not_before)
        until = values.optional_instant(values.optional_micros(suspended_until))
        with await self._turn():
            sink = self._holds_sink(lease)
            if sink is None:
                return False
            at, name = self._exactly_now(), clean_text(lease.sink)
            sink.failures, sink.suspended_until = values.clean_count(failures), until
            sink.error = values.brief_error(error)
            delivered = [self._kept.outbox.judge(name, verdict, at) for verdict in verdicts]
            if any(delivered):
                sink.delivered_at = at
            return True

    async def sinks(self) -> list[SinkState]:
        with await self._turn():
            return [
                self._kept.outbox.state(name, sink, sink.seen_at)
                for name, sink in sorted(self._kept.outbox.sinks.items())
                if sink.seen_at is not None
            ]

    async def remove_sink(self, name: str) -> bool:
        name = clean_text(name)
        with await self._turn():
            outbox = self._kept.outbox
            sink = outbox.registered(name)
            if sink is None:
                return False
            outbox.sinks[name] = KeptSink(sink.max_age, None, fence=sink.fence + 1)
            for entry in outbox.entries(name):
                del outbox.waiting[entry.id]
            for letter in outbox.chosen(name, None):
                del outbox.dead[letter.id]
            return True

    async def dead_letters(
        self, *, sink: str | None = None, after: int = 0, limit: int = 100
    ) -> list[DeadLetter]:
        check_limit(limit)
        with await self._turn():
            found = self._kept.outbox.chosen(values.optional_text(sink), None)
            return [letter for letter in found if letter.id > after][:limit]

    async def replay(self, *, sink: str | None = None, ids: Iterable[int] | None = None) -> int:
        with await self._turn():
            outbox, at = self._kept.outbox, self._exactly_now()
            chosen = outbox.chosen(values.optional_text(sink), ids)
            for letter in chosen:
                del outbox.dead[letter.id]
                outbox.add(letter.sink, letter.run_id, letter.number, letter.job, at)
            return len(chosen)

    async def drop_dead_letters(self, *, sink: str | None = None, ids: Iterable[int] | None = None) -> int:
        with await self._turn():
            chosen = self._kept.outbox.chosen(values.optional_text(sink), ids)
            for letter in chosen:
                del self._kept.outbox.dead[letter.id]
            return len(chosen)

    # -- the rules, each in one place -----------------------------------------------------------

    def _holds_sink(self, lease: SinkLease) -> KeptSink | None:
        """The sink of *lease* if that lease still stands: not released, and not fenced by a newer one."""
        sink = self._kept.outbox.registered(clean_text(lease.sink))
        return sink if sink is not None and sink.lease is not None and sink.fence == lease.fence else None
