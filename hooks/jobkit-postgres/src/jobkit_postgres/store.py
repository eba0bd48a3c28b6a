"""The run store on PostgreSQL as the outside sees it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Final, Self

import anyio

from jobkit.plugin import rows
from jobkit.plugin.stores import (
    AttemptRecord,
    Lease,
    LeaseRequest,
    LogLine,
    NewRun,
    OpenLease,
    Outcome,
    Overlap,
    Progress,
    RunInTheWay,
    RunNotFound,
    RunPage,
    RunQuery,
    RunRecord,
    SchemaStatus,
    clean_caps,
    clean_text,
    decode_outcome,
    encode_progress,
    from_micros,
    not_found,
    open_already,
    optional_micros,
    to_micros,
    write_position,
)
from jobkit_postgres import adding, history, leases, lines, runs, starts, upkeep
from jobkit_postgres.adding import New
from jobkit_postgres.batches import Batch
from jobkit_postgres.connection import Address, Row
from jobkit_postgres.database import Database, check_loop
from jobkit_postgres.renewals import Renewals
from jobkit_postgres.schema import Tables
from jobkit_postgres.starts import Start
from jobkit_postgres.store_ledger import LedgerPart
from jobkit_postgres.store_outbox import OutboxPart
from jobkit_postgres.store_queue import QueuePart
from jobkit_postgres.store_service import ServicePart
from jobkit_postgres.transaction import Transaction
from jobkit_postgres.wakes import Wakes

POOL_SIZE: Final = 4
"""Connections of the pool, if nothing else is said; two more renew leases and listen."""

SCHEMA: Final = "jobkit"


class PostgresStore(LedgerPart, QueuePart, ServicePart, OutboxPart):
    """Runs in a PostgreSQL database, for any number of processes on any number of hosts.

    *url* is what libpq takes. All tables are in *schema*. *direct_url* leads to the same database past a
    transaction pooler: listening needs it. With *listen* False nobody listens, and waits end every second.
    The store uses *pool_size* connections at most, and two more. *patience*, in seconds, is how long a call
    waits for one of them, and for the first connection. With *read_only* nothing is written.

    It runs on asyncio only. Leases and everything else expire by the server's clock.
    """

    def __init__(
        self,
        url: str,
        *,
        project: str,
        schema: str = SCHEMA,
        direct_url: str | None = None,
        listen: bool = True,
        pool_size: int = POOL_SIZE,
        patience: float = 5.0,
        read_only: bool = False,
    ) -> None:
        address = Address.parse(url)
        direct = address if direct_url is None else Address.parse(direct_url, "[plugins.postgres] direct_url")
        self._tables = Tables(address, schema, project)
        self._direct_tables = Tables(direct, schema, project)
        self._database = Database(address, schema, size=pool_size, patience=patience, read_only=read_only)
        self._renewals = Renewals(address, schema)
        self._wakes = Wakes(direct if listen else None, schema)
        self._adds = Batch(self._write_adds)
        self._starts = Batch(self._write_starts)
        self._finishes = Batch(self._write_finishes)
        self._lines = Batch(self._write_lines)
        self._progress = Batch(self._write_progress)

    @property
    def url(self) -> str:
        return self._database.address.shown

    @property
    def read_only(self) -> bool:
        return self._database.read_only

    @property
    def listening(self) -> bool:
        """Whether what others write is heard at once; otherwise it is found by looking every second."""
        return self._wakes.listening

    async def __aenter__(self) -> Self:
        check_loop()
        if self._database.is_open:
            raise open_already()
        await self._tables.check(read_only=self.read_only)
        await self._database.open()
        self._renewals.open()
        self._wakes.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            for batch in (self._adds, self._starts, self._finishes, self._lines, self._progress):
                await batch.drain()
            await self._wakes.close()
            await self._database.close()
            await anyio.to_thread.run_sync(self._renewals.close, limiter=anyio.CapacityLimiter(1))

    async def now(self) -> datetime:
        async def clock(tx: Transaction) -> int:
            return tx.at

        return from_micros(await self._database.read(clock))

    async def schema(self) -> SchemaStatus:
        check_loop()
        return await self._tables.status()

    async def upgrade(self) -> SchemaStatus:
        check_loop()
        if self.read_only:
            self._database.check_writing()
        return await self._direct_tables.upgrade()

    # -- runs and leases ------------------------------------------------------------------------

    async def add_run(self, run: NewRun, *, overlap: Overlap = "allow") -> RunRecord:
        new = New(rows.new_run_values(run, overlap), optional_micros(run.not_before))
        self._database.check_writing()
        answer = await self._adds.add(new.apart, new)
        if isinstance(answer, RunInTheWay):
            raise answer
        return rows.run_record(answer)

    async def _write_adds(self, wanted: list[New]) -> list[Row | RunInTheWay]:
        return await self._write_and_wake(lambda tx: adding.add(tx, wanted))

    async def add_and_start(
        self,
        run: NewRun,
        request: LeaseRequest,
        *,
        overlap: Overlap = "allow",
        limits: Mapping[str, int] | None = None,
    ) -> tuple[RunRecord, Lease]:
        new, wanted, caps = rows.new_run_values(run, overlap), rows.lease_values(request), clean_caps(limits)
        write = self._write_and_wake if overlap == "cancel" else self._database.write
        row, lease = await write(lambda tx: runs.add_and_start(tx, new, wanted, caps))
        return rows.run_record(row), rows.lease(lease)

    async def start_attempt(
        self, run_id: str, request: LeaseRequest, *, limits: Mapping[str, int] | None = None
    ) -> Lease | None:
        self._database.check_writing()
        start = Start(clean_text(run_id), rows.lease_values(request), clean_caps(limits))
        answer = await self._starts.add(start.run_id, start)
        if isinstance(answer, RunNotFound):
            raise answer
        return None if answer is None else rows.lease(answer)

    async def _write_starts(self, wanted: list[Start]) -> list[Row | RunNotFound | None]:
        return await self._database.write(lambda tx: starts.start(tx, wanted))

    def renew(self, leases_: Iterable[Lease]) -> frozenset[str]:
        self._database.check_writing()
        wanted = list(leases_)
        return self._renewals.renew(wanted) if wanted else frozenset()

    async def retry_later(self, lease: Lease, outcome: Outcome, not_before: datetime) -> bool:
        ended, until = rows.outcome_values(outcome), to_micros(not_before)
        return await self._write_and_wake(lambda tx: leases.retry_later(tx, lease, ended, until))

    async def finish(self, lease: Lease, outcome: Outcome) -> RunRecord | None:
        self._database.check_writing()
        row = await self._finishes.add(lease.run_id, (lease, outcome, rows.outcome_values(outcome)))
        return None if row is None else rows.run_record(row)

    async def _write_finishes(self, finishes: list[leases.Finish]) -> list[Row | None]:
        async def work(tx: Transaction) -> list[Row | None]:
            answers, frees = await leases.finish(tx, finishes)
            if frees:
                tx.notify(self._wakes.name)
            return answers

        return await self._database.write(work)

    async def open_leases(self) -> list[OpenLease]:
        async def work(tx: Transaction) -> list[OpenLease]:
            return [rows.open_lease(row, tx.at) for row in await leases.open_leases(tx)]

        return await self._database.read(work)

    async def settle(self, lease: Lease, *, dead: bool, retry_at: datetime | None = None) -> RunRecord | None:
        optional_micros(retry_at)  # a naive one is refused here, not in the middle of a transaction
        row = await self._write_and_wake(lambda tx: leases.settle(tx, lease, dead=dead, retry_at=retry_at))
        return None if row is None else rows.run_record(row)

    async def set_progress(self, lease: Lease, progress: Progress) -> None:
        self._database.check_writing()
        await self._progress.add(lease.run_id, (lease, encode_progress(progress)))

    async def _write_progress(self, progress: list[tuple[Lease, str]]) -> list[None]:
        await self._database.write(lambda tx: leases.set_progress(tx, progress))
        return [None] * len(progress)

    # -- reading --------------------------------------------------------------------------------

    async def run(self, reference: int | str) -> RunRecord:
        return rows.run_record(await self._database.read(lambda tx: history.one(tx, reference)))

    async def runs(self, query: RunQuery) -> RunPage:
        found, end = await self._database.read(lambda tx: history.page(tx, query))
        return RunPage(tuple(map(rows.run_record, found)), next=None if end is None else write_position(end))

    async def last_runs(self, jobs: Iterable[str] | None = None) -> dict[str, RunRecord]:
        wanted = None if jobs is None else list(jobs)
        found = await self._database.read(lambda tx: history.last_runs(tx, wanted))
        return {record.job: record for record in map(rows.run_record, found)}

    async def attempts(self, run_id: str) -> list[AttemptRecord]:
        run_id = clean_text(run_id)
        found = await self._database.read(lambda tx: history.attempts(tx, run_id))
        return [rows.attempt_record(run_id, row) for row in found]

    async def late_outcome(self, run_id: str) -> Outcome | None:
        id_ = clean_text(run_id)
        text = await self._database.read(lambda tx: history.late_outcome(tx, id_))
        return None if text is None else decode_outcome(text)

    # -- log lines ------------------------------------------------------------------------------

    async def add_log_lines(self, run_id: str, lines_: Sequence[LogLine]) -> None:
        self._database.check_writing()
        id_, values = clean_text(run_id), [rows.line_values(line) for line in lines_]
        if not await self._lines.add(id_, (id_, values)):
            raise not_found(run_id)

    async def _write_lines(self, given: list[tuple[str, list[Row]]]) -> list[bool]:
        there = await self._database.write(lambda tx: lines.add(tx, dict(given)))
        return [run_id in there for run_id, _ in given]

    async def log_lines(self, run_id: str, *, after: int = 0, limit: int = 1000) -> list[LogLine]:
        id_ = clean_text(run_id)
        found = await self._database.read(lambda tx: lines.read(tx, id_, after, limit))
        return list(map(rows.log_line, found))

    # -- upkeep ---------------------------------------------------------------------------------

    async def prune(self, before: datetime) -> int:
        at, deleted = to_micros(before), 0
        while some := await self._database.write(lambda tx: upkeep.prune(tx, at)):
            deleted += some
        while await self._database.write(lambda tx: upkeep.prune_ledger(tx, at)):
            pass
        return deleted
