"""The embedded store as the outside sees it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio.to_thread

from jobkit.clock import SystemClock
from jobkit.processes import ProcessIdentity
from jobkit.records import AttemptRecord, LogLine, Progress, RunRecord
from jobkit.stores import rows
from jobkit.stores.base import (
    Lease,
    LeaseRequest,
    NewRun,
    OpenLease,
    Outcome,
    RunPage,
    RunQuery,
    SchemaStatus,
)
from jobkit.stores.ledger_store import Overlap
from jobkit.stores.outbox_store import check_limit
from jobkit.stores.paging import write_position
from jobkit.stores.plain import clean_text
from jobkit.stores.sqlite import history, leases, lines, outbox, runs, schema, upkeep
from jobkit.stores.sqlite.database import Database
from jobkit.stores.sqlite.location import Location
from jobkit.stores.sqlite.store_ledger import LedgerPart
from jobkit.stores.sqlite.store_queue import QueuePart
from jobkit.stores.sqlite.store_service import ServicePart
from jobkit.stores.sqlite.wakes import Wakes
from jobkit.stores.values import (
    brief_error,
    clean_caps,
    clean_count,
    clean_duration,
    decode_outcome,
    decode_owner,
    duration_micros,
    encode_owner,
    encode_progress,
    from_micros,
    optional_micros,
    optional_text,
    to_micros,
)

if TYPE_CHECKING:
    from jobkit.stores.outbox import (
        DeadLetter,
        OutboxEntry,
        OutboxVerdict,
        SinkLease,
        SinkRegistration,
        SinkState,
    )


class SqliteStore(LedgerPart, QueuePart, ServicePart):
    """Runs in one SQLite file, for any number of processes on one host.

    *path* is absolute or relative to *root*; it and its folder are made when the store is entered.
    *now* is the host's wall clock: leases expire by it. *lock_timeout* in seconds bounds how long a
    call waits while other processes write. With *read_only* nothing is created or changed, and a file
    that is not there reads as empty. *allow_network* accepts network file systems, *trust_permissions*
    files and folders that every user may write to.
    """

    def __init__(
        self,
        path: Path,
        *,
        project: str,
        root: Path | None = None,
        read_only: bool = False,
        now: Callable[[], datetime] | None = None,
        lock_timeout: float = 5.0,
        allow_network: bool = False,
        trust_permissions: bool = False,
        url: str | None = None,
    ) -> None:
        root = Path.cwd() if root is None else root.absolute()
        self._now = SystemClock().now if now is None else now
        place = Path(os.path.normpath(root / path))
        self._location = Location(place, root, allow_network, trust_permissions)
        self._lock_timeout = lock_timeout
        self._wakes = Wakes(place)  # until it is opened nobody is woken
        self._url = f"sqlite:///{self._location.path}" if url is None else url
        self._database = Database(
            self._location, project=project, now=self._now, read_only=read_only, lock_timeout=lock_timeout
        )

    @property
    def url(self) -> str:
        return self._url

    @property
    def read_only(self) -> bool:
        return self._database.read_only

    async def __aenter__(self) -> Self:
        await self._database.open()
        path = self._location.path
        self._wakes = Wakes(path.with_name(f"{path.name}-wakes"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._wakes.close()
        await self._database.close()

    async def now(self) -> datetime:
        return self._now()

    async def schema(self) -> SchemaStatus:
        return await anyio.to_thread.run_sync(
            partial(schema.status, self._location, timeout=self._lock_timeout)
        )

    async def upgrade(self) -> SchemaStatus:
        await self._database.upgrade()
        return await self.schema()

    # -- runs and leases ------------------------------------------------------------------------

    async def add_run(self, run: NewRun, *, overlap: Overlap = "allow") -> RunRecord:
        work = partial(
            runs.add,
            run=rows.new_run_values(run, overlap),
            not_before=optional_micros(run.not_before),
            now=self._now,
        )
        return rows.run_record(await self._write_and_wake(work))

    async def add_and_start(
        self,
        run: NewRun,
        request: LeaseRequest,
        *,
        overlap: Overlap = "allow",
        limits: Mapping[str, int] | None = None,
    ) -> tuple[RunRecord, Lease]:
        work = partial(
            runs.add_and_start,
            run=rows.new_run_values(run, overlap),
            lease=rows.lease_values(request),
            limits=clean_caps(limits),
            now=self._now,
        )
        write = self._write_and_wake if overlap == "cancel" else self._database.write
        row, lease = await write(work)
        return rows.run_record(row), rows.lease(lease)

    async def start_attempt(
        self, run_id: str, request: LeaseRequest, *, limits: Mapping[str, int] | None = None
    ) -> Lease | None:
        work = partial(
            runs.start_attempt,
            run_id=clean_text(run_id),
            lease=rows.lease_values(request),
            limits=clean_caps(limits),
            now=self._now,
        )
        row = await self._database.write(work)
        return None if row is None else rows.lease(row)

    def renew(self, leases_: Iterable[Lease]) -> frozenset[str]:
        wanted = list(leases_)
        if not wanted:
            return frozenset()
        return self._database.write_from_thread(partial(leases.renew, leases=wanted, now=self._now))

    async def retry_later(self, lease: Lease, outcome: Outcome, not_before: datetime) -> bool:
        work = partial(
            leases.retry_later,
            lease=lease,
            outcome=rows.outcome_values(outcome),
            not_before=to_micros(not_before),
            now=self._now,
        )
        return await self._write_and_wake(work)

    async def finish(self, lease: Lease, outcome: Outcome) -> RunRecord | None:
        work = partial(
            leases.finish, lease=lease, outcome=rows.outcome_values(outcome), late=outcome, now=self._now
        )
        row, frees = await self._database.write(work)
        if frees:
            self._wakes.send()
        return None if row is None else rows.run_record(row)

    async def open_leases(self) -> list[OpenLease]:
        found = await self._database.read(leases.open_leases)
        at = to_micros(self._now())
        return [rows.open_lease(row, at) for row in found]

    async def settle(self, lease: Lease, *, dead: bool, retry_at: datetime | None = None) -> RunRecord | None:
        optional_micros(retry_at)  # a naive one is refused here, not in the writer's thread
        work = partial(leases.settle, lease=lease, dead=dead, retry_at=retry_at, now=self._now)
        row = await self._write_and_wake(work)
        return None if row is None else rows.run_record(row)

    async def set_progress(self, lease: Lease, progress: Progress) -> None:
        await self._database.write(
            partial(leases.set_progress, lease=lease, progress=encode_progress(progress))
        )

    # -- reading --------------------------------------------------------------------------------

    async def run(self, reference: int | str) -> RunRecord:
        return rows.run_record(await self._database.read(partial(history.one, reference=reference)))

    async def runs(self, query: RunQuery) -> RunPage:
        found, end = await self._database.read(partial(history.page, query=query))
        return RunPage(tuple(map(rows.run_record, found)), next=None if end is None else write_position(end))

    async def last_runs(self, jobs: Iterable[str] | None = None) -> dict[str, RunRecord]:
        wanted = None if jobs is None else list(jobs)
        found = await self._database.read(partial(history.last_runs, jobs=wanted))
        return {record.job: record for record in map(rows.run_record, found)}

    async def attempts(self, run_id: str) -> list[AttemptRecord]:
        run_id = clean_text(run_id)
        found = await self._database.read(partial(history.attempts, run_id=run_id))
        return [rows.attempt_record(run_id, row) for row in found]

    async def late_outcome(self, run_id: str) -> Outcome | None:
        text = await self._database.read(partial(history.late_outcome, run_id=clean_text(run_id)))
        return None if text is None else decode_outcome(text)

    # -- log lines ------------------------------------------------------------------------------

    async def add_log_lines(self, run_id: str, lines_: Sequence[LogLine]) -> None:
        values = [rows.line_values(line) for line in lines_]
        await self._database.write(partial(lines.add, run_id=clean_text(run_id), lines=values))

    async def log_lines(self, run_id: str, *, after: int = 0, limit: int = 1000) -> list[LogLine]:
        work = partial(lines.read, run_id=clean_text(run_id), after=after, limit=limit)
        return [rows.log_line(row) for row in await self._database.read(work)]

    # -- the outbox -----------------------------------------------------------------------------

    async def register_sinks(self, sinks: Iterable[SinkRegistration]) -> None:
        values = [(clean_text(sink.name), duration_micros(clean_duration(sink.max_age))) for sink in sinks]
        if values:
            await self._database.write(partial(outbox.register, sinks=values, now=self._now))

    async def take_sink(
        self,
        name: str,
        owner: ProcessIdentity,
        duration: timedelta,
        *,
        dead: Callable[[ProcessIdentity], bool] | None = None,
    ) -> SinkLease | None:
        name, mine, of_dead = clean_text(name), encode_owner(owner), None
        # Whether its owner lives is the caller's code, and not asked while the database is locked.
        holder = partial(outbox.holder, name=name)
        found = None if self.read_only else await self._database.read(holder)
        if found is not None and found[1] not in (None, mine) and found[2] > to_micros(self._now()):
            if dead is None or not dead(decode_owner(found[1])):
                return None
            of_dead = found[0]
        work = partial(
            outbox.take,
            name=name,
            owner=mine,
            duration=duration_micros(duration),
            dead=of_dead,
            now=self._now,
        )
        taken = await self._database.write(work)
        from jobkit.stores.outbox import SinkLease

        return None if taken is None else SinkLease(name, owner, taken[0], from_micros(taken[1]))

    async def release_sink(self, lease: SinkLease) -> None:
        await self._database.write(
            partial(outbox.release, name=clean_text(lease.sink), fence=clean_count(lease.fence))
        )

    async def outbox(self, sink: str, *, after: int = 0, limit: int = 100) -> list[OutboxEntry]:
        check_limit(limit)
        work = partial(outbox.waiting, sink=clean_text(sink), after=clean_count(after), limit=limit)
        return [rows.outbox_entry(row) for row in await self._database.read(work)]

    async def settle_outbox(
        self,
        lease: SinkLease,
        verdicts: Sequence[OutboxVerdict],
        *,
        failures: int,
        suspended_until: datetime | None,
        error: str | None,
    ) -> bool:
        work = partial(
            outbox.settle,
            name=clean_text(lease.sink),
            fence=clean_count(lease.fence),
            standing=(clean_count(failures), optional_micros(suspended_until), brief_error(error)),
            verdicts=[rows.verdict_values(verdict) for verdict in verdicts],
            now=self._now,
        )
        return await self._database.write(work)

    async def sinks(self) -> list[SinkState]:
        return [rows.sink_state(row) for row in await self._database.read(outbox.states)]

    async def remove_sink(self, name: str) -> bool:
        return await self._database.write(partial(outbox.remove, name=clean_text(name)))

    async def dead_letters(
        self, *, sink: str | None = None, after: int = 0, limit: int = 100
    ) -> list[DeadLetter]:
        check_limit(limit)
        work = partial(outbox.letters, sink=optional_text(sink), after=clean_count(after), limit=limit)
        return [rows.dead_letter(row) for row in await self._database.read(work)]

    async def replay(self, *, sink: str | None = None, ids: Iterable[int] | None = None) -> int:
        work = partial(outbox.replay, sink=optional_text(sink), ids=_counts(ids), now=self._now)
        return await self._database.write(work)

    async def drop_dead_letters(self, *, sink: str | None = None, ids: Iterable[int] | None = None) -> int:
        return await self._database.write(partial(outbox.drop, sink=optional_text(sink), ids=_counts(ids)))

    # -- upkeep ---------------------------------------------------------------------------------

    async def prune(self, before: datetime) -> int:
        portion = partial(upkeep.prune, before=to_micros(before))
        deleted = 0
        while some := await self._database.write(portion):
            deleted += some
        while await self._database.write(partial(upkeep.prune_ledger, before=to_micros(before))):
            pass
        return deleted


def _counts(ids: Iterable[int] | None) -> list[int] | None:
    return None if ids is None else [clean_count(number) for number in ids]
