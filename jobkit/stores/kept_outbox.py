"""The outbox as the store in memory keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from jobkit.records import RunRecord
from jobkit.stores.outbox import (
    DeadLetter,
    OutboxEntry,
    OutboxVerdict,
    SinkLease,
    SinkState,
)
from jobkit.stores.outbox_store import FORGOTTEN_AFTER
from jobkit.stores.values import brief_error, from_micros, to_micros


@dataclass(slots=True)
class KeptSink:
    """A sink as the store holds it; it was removed if *seen_at* is None, and stays because of its fence."""

    max_age: timedelta
    seen_at: datetime | None
    failures: int = 0
    suspended_until: datetime | None = None
    error: str | None = None
    delivered_at: datetime | None = None
    fence: int = 0
    lease: SinkLease | None = None


@dataclass(slots=True)
class KeptOutbox:
    """Sinks by name, entries and dead letters by id; the ids of both are those of *last_id*'s counting."""

    sinks: dict[str, KeptSink] = field(default_factory=dict)
    waiting: dict[int, OutboxEntry] = field(default_factory=dict)
    dead: dict[int, DeadLetter] = field(default_factory=dict)
    last_id: int = 0

    def registered(self, name: str) -> KeptSink | None:
        sink = self.sinks.get(name)
        return sink if sink is not None and sink.seen_at is not None else None

    def register(self, name: str, max_age: timedelta, at: datetime) -> None:
        sink = self.sinks.setdefault(name, KeptSink(max_age, at))
        sink.max_age, sink.seen_at = max_age, at

    def put_out(self, record: RunRecord, at: datetime) -> None:
        """Have a run that has just ended wait for every sink that is wanted."""
        assert record.number is not None, "set by the insertion"
        for name, sink in sorted(self.sinks.items()):
            if sink.seen_at is not None and at - sink.seen_at < FORGOTTEN_AFTER:
                self.add(name, record.id, record.number, record.job, at)

    def add(self, sink: str, run_id: str, number: int, job: str, at: datetime) -> None:
        self.last_id += 1
        self.waiting[self.last_id] = OutboxEntry(
            self.last_id, sink, run_id, number, job, at, failures=0, not_before=None, error=None
        )

    def judge(self, sink: str, verdict: OutboxVerdict, at: datetime) -> bool:
        """Carry out *verdict*; whether an entry was delivered by it."""
        entry = self.waiting.get(verdict.entry_id)
        if entry is None or entry.sink != sink:
            return False
        error = brief_error(verdict.error)
        if verdict.kind == "failed":
            not_before = None if verdict.not_before is None else from_micros(to_micros(verdict.not_before))
            # The same not_before again is the same failure again: the call before had arrived after all.
            again = not_before is not None and not_before == entry.not_before
            failures = entry.failures + (verdict.failure and not again)
            self.waiting[entry.id] = replace(entry, failures=failures, not_before=not_before, error=error)
            return False
        if verdict.reason is not None:
            self.dead[entry.id] = DeadLetter(
                entry.id, sink, entry.run_id, entry.number, entry.job, entry.added_at,
                died_at=at,
                failures=entry.failures + verdict.failure,
                reason=verdict.reason,
                error=entry.error if error is None else error,
            )  # fmt: skip
        del self.waiting[entry.id]
        return verdict.kind == "delivered"

    def chosen(self, sink: str | None, ids: Iterable[int] | None) -> list[DeadLetter]:
        """The dead letters of *sink* and of *ids*, by id."""
        wanted = None if ids is None else frozenset(ids)
        found = [self.dead[number] for number in sorted(self.dead)]
        return [
            letter
            for letter in found
            if (sink is None or letter.sink == sink) and (wanted is None or letter.id in wanted)
        ]

    def entries(self, sink: str) -> list[OutboxEntry]:
        """In order: they were added by ids that grow."""
        return [entry for entry in self.waiting.values() if entry.sink == sink]

    def runs_waiting(self) -> frozenset[str]:
        """The ids of the runs that some sink has yet to be given."""
        return frozenset(entry.run_id for entry in self.waiting.values())

    def forget(self, runs: frozenset[str]) -> None:
        """Dead letters go with their runs."""
        for letter in [letter for letter in self.dead.values() if letter.run_id in runs]:
            del self.dead[letter.id]

    def state(self, name: str, sink: KeptSink, seen_at: datetime) -> SinkState:
        entries = self.entries(name)
        return SinkState(
            name=name,
            waiting=len(entries),
            oldest=entries[0].added_at if entries else None,
            dead=len(self.chosen(name, None)),
            failures=sink.failures,
            suspended_until=sink.suspended_until,
            error=sink.error,
            delivered_at=sink.delivered_at,
            owner=None if sink.lease is None else sink.lease.owner,
            seen_at=seen_at,
            max_age=sink.max_age,
        )
