"""What a run store promises. Every store keeps the whole of this file; the conformance suite checks it.

A store remembers runs, their attempts and their log lines, and hands out leases. It knows nothing of
job files, cron or plugins. One store belongs to one project name and refuses another.

Rules for all methods
    * Times are aware UTC datetimes, exact to the microsecond. "The store's clock" is the one clock that
      all processes on this store share: the database server's, or the host's for an embedded one.
    * Asynchronous methods may be called from any task of the event loop that entered the store, on
      asyncio and on trio, any number at a time. What a method reports as written is durable.
    * A cancelled call has either happened or not; it never happens half.
    * Text comes back as it was given, of any length, lone surrogates and NUL replaced by U+FFFD.
    * JSON (``parameters``, ``data``, ``fields``) holds objects, arrays, text, numbers, booleans and null.
      Whatever else is handed over loses no run: it becomes what is nearest. NaN and infinities become
      null, tuples arrays, keys text; datetimes RFC 3339 text, dates, paths, UUIDs and decimals their
      text, an enumeration's member its value; anything else, and what contains itself or is nested
      deeper than 64, becomes ``"<module.Class>"``; after 100,000 values one is cut off. Whoever wants
      such a value refused refuses it before.
    * Counts beyond 64 bits are cut to the largest; a progress that is not finite counts as unknown.
    * Trouble is a :class:`~jobkit.exceptions.StoreError`: ``StoreUnavailable`` when the same call may
      succeed later, ``RunNotFound`` for an unknown reference. Nothing else is raised, except TypeError
      and ValueError for arguments that no store could take (a naive datetime, a limit of 0), and
      :class:`~jobkit.exceptions.RunInTheWay` where overlap is judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Protocol, Self

from jobkit.processes import ProcessIdentity
from jobkit.records import (
    AttemptRecord,
    LogLine,
    Progress,
    RunFailure,
    RunRecord,
    TickSpan,
)
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.control_store import ControlStore
from jobkit.stores.ledger_store import LedgerStore, Overlap
from jobkit.stores.outbox_store import OutboxStore
from jobkit.stores.queue import QueueStore
from jobkit.stores.replica_store import ReplicaStore
from jobkit.stores.waking import WakingStore


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """A run to be inserted; *id* is a UUIDv7 made by the caller, so that an insertion whose outcome is
    unknown can be looked up. *attempts* is the most attempts it may have (1 + retries).

    *node* is that of a job which every node has for itself, ``""`` otherwise. *limits* are the named limits
    that it holds while it is executed. Of queued runs those of a higher *priority* come first.
    """

    id: str
    job: str
    extension: str
    trigger: Trigger
    actor: str = ""
    enforce: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)
    attempts: int = 1
    scheduled_at: datetime | None = None
    not_before: datetime | None = None
    window: tuple[datetime, datetime] | None = None
    covers: TickSpan | None = None
    parent: str | None = None
    retry_of: str | None = None
    node: str = ""
    limits: tuple[str, ...] = ()
    queue: str = "default"
    priority: int = 0


@dataclass(frozen=True, slots=True)
class LeaseRequest:
    """Who wants to execute a run, and for how long at a time.

    *pinned* ties the run to this process: when the process dies the run is lost, whatever
    attempts remain (``jobkit run``).
    """

    owner: ProcessIdentity
    node: str
    duration: timedelta = timedelta(seconds=10)
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to execute one attempt of one run, until *expires_at* by the store's clock.

    *fence* only grows, per run: whoever holds an older one has lost the right for ever.
    """

    run_id: str
    fence: int
    attempt: int
    owner: ProcessIdentity
    node: str
    duration: timedelta
    pinned: bool
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OpenLease:
    """A lease that has not ended, as a process sees it that may settle it.

    *expired* is judged by the store's clock. *attempts* is the most that the run may have. *abandoned*
    says that a thread goes on under it which the run no longer waits for.
    """

    lease: Lease
    job: str
    status: RunStatus
    attempts: int
    expired: bool
    abandoned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended, and with it, if it was the last, the run.

    ValueError for a status that can still change.
    """

    status: RunStatus
    finished_at: datetime
    duration_ms: int
    message: str | None = None
    processed: int | None = None
    errors: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None
    error: RunFailure | None = None
    cleanup_errors: tuple[RunFailure, ...] = ()

    def __post_init__(self) -> None:
        if not self.status.finished:
            raise ValueError(f"an attempt cannot end {self.status}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Which runs to read; None means any. *since* and *until* bound ``queued_at`` as [since, until).

    *after* is the ``next`` of the page before. *limit* lies between 1 and 10,000: ValueError beyond.
    """

    jobs: Sequence[str] | None = None
    statuses: Sequence[RunStatus] | None = None
    triggers: Sequence[Trigger] | None = None
    since: datetime | None = None
    until: datetime | None = None
    parent: str | None = None
    limit: int = 20
    after: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= 10_000:
            raise ValueError(f"a page has 1 to 10,000 runs, not {self.limit}")


@dataclass(frozen=True, slots=True)
class RunPage:
    """Runs, newest first; *next* continues after the last of them, None at the end.

    Newest is the latest ``queued_at``, and of equal ones the highest number. Paging is by key: runs
    that are added meanwhile neither repeat nor hide any.
    """

    runs: tuple[RunRecord, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """Where the store's tables stand; *applied* and *pending* are migration names in order.

    *details* are facts, by name. With *by_hand* only ``upgrade`` brings the tables up to date, not opening.
    """

    applied: tuple[str, ...]
    pending: tuple[str, ...]
    details: Mapping[str, Any] = field(default_factory=dict)
    by_hand: bool = False


class Store(LedgerStore, QueueStore, ControlStore, ReplicaStore, WakingStore, OutboxStore, Protocol):
    """Where runs are kept. See the head of this file for the rules that hold for all methods.

    Whatever ends a run (``finish``, or ``settle`` of one that is lost) writes its entries into the
    outbox in the same transaction; see :mod:`jobkit.stores.outbox_store`.
    """

    @property
    def url(self) -> str:
        """The store's address, passwords masked: safe to show."""
        ...

    @property
    def read_only(self) -> bool:
        """True when nothing can be written (a read-only folder); writing methods raise StoreError.

        Tables of an older version are read as they are, if what they lack can be read as empty.
        """
        ...

    async def __aenter__(self) -> Self:
        """Open it: connect, check the schema (an embedded store upgrades itself) and the project name.

        It can be opened again after it was closed, not twice at a time.
        """
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write what is waiting, then let go of everything. Idempotent."""
        ...

    async def now(self) -> datetime:
        """The store's clock."""
        ...

    async def schema(self) -> SchemaStatus:
        """Which migrations are applied and which wait.

        Works before the store is entered, and on one that needs an upgrade; changes nothing.
        """
        ...

    async def upgrade(self) -> SchemaStatus:
        """Apply the migrations that wait, each whole or not at all; safe from several processes at once.

        Works before the store is entered.
        """
        ...

    # -- runs and leases ------------------------------------------------------------------------

    async def add_run(self, run: NewRun, *, overlap: Overlap = "allow") -> RunRecord:
        """Insert *run* as ``queued`` and give it the next number of the project.

        The same id again is the same run: it is returned as it stands, nothing is inserted. *overlap* is
        judged, and what gives way ends, as for a claim. RunInTheWay if the run may not be.
        """
        ...

    async def add_and_start(
        self,
        run: NewRun,
        request: LeaseRequest,
        *,
        overlap: Overlap = "allow",
        limits: Mapping[str, int] | None = None,
    ) -> tuple[RunRecord, Lease]:
        """Insert *run* and start its first attempt here, in one transaction.

        If it has to wait, for one of its *limits* or by its *overlap*, it is ``queued`` under the lease
        that is returned, for this owner to start with ``start_attempt``. RunInTheWay as for ``add_run``.
        The same id again from the same owner is the same start. StoreError if that id belongs to a run
        that somebody else started, or that has gone on since.
        """
        ...

    async def start_attempt(
        self, run_id: str, request: LeaseRequest, *, limits: Mapping[str, int] | None = None
    ) -> Lease | None:
        """Start the next attempt of a queued run: it is ``running``, its attempt number and fence grow.

        None if it is not queued, or somebody else's lease has not ended; or if it has to wait: for a
        thread of an earlier attempt that was abandoned, for another run of its job that is executed (unless
        it was inserted with overlap ``allow``), or for one of its limits. *limits* says how many may hold
        each at a time; running attempts and abandoned leases hold theirs, names that it lacks are free.

        A pinned run that waits for its next attempt still has its lease: its owner, and nobody else, may
        start it. The run's ``started_at`` stays that of its first attempt. Whether *not_before* has come,
        and how many attempts a run may have, is for the caller to judge. RunNotFound if there is no such run.
        """
        ...

    def renew(self, leases: Iterable[Lease]) -> frozenset[str]:
        """Extend *leases* from now by their durations; the run ids of those that still stand.

        An expired lease whose fence is unchanged is renewed all the same. Synchronous and thread-safe,
        because renewals have a thread of their own; waits at most a few seconds, then StoreUnavailable.
        """
        ...

    async def retry_later(self, lease: Lease, outcome: Outcome, not_before: datetime) -> bool:
        """End the attempt with *outcome*; the run is ``queued`` again until *not_before*.

        A pinned run keeps its lease meanwhile, any other lets it go. False if the lease was fenced.
        The same again is the same.
        """
        ...

    async def finish(self, lease: Lease, outcome: Outcome) -> RunRecord | None:
        """End the attempt and the run with *outcome*, under the fence of *lease*.

        None if it was fenced: then the run, if it is still there, keeps what it has, and *outcome* as
        its late outcome. The same finish again is the same finish, and nothing waits twice. A pinned
        run that waits for its next attempt can be finished too; its attempts stay as they ended.
        """
        ...

    async def open_leases(self) -> list[OpenLease]:
        """All leases that have not ended, in no order: those of queued pinned runs and abandoned ones too."""
        ...

    async def settle(self, lease: Lease, *, dead: bool, retry_at: datetime | None = None) -> RunRecord | None:
        """End a lease whose owner is gone: its attempt is ``lost``.

        Nothing happens (None) unless the fence still is *lease*'s and the lease has expired by the
        store's clock, or *dead* says that the owner is known to run no more. With *retry_at* the run is
        ``queued`` again until then, otherwise it is ``lost``; a pinned run is lost in any case. The
        fence grows: the owner, should it live, is fenced. What was lost has a message and no duration. An
        abandoned lease ends, whatever became of its run, which stays as it is if it has ended or waits.
        """
        ...

    async def set_progress(self, lease: Lease, progress: Progress) -> None:
        """Remember how far a run is; ignored if the lease was fenced."""
        ...

    # -- reading --------------------------------------------------------------------------------

    async def run(self, reference: int | str) -> RunRecord:
        """The run of that number or full id. RunNotFound if there is none."""
        ...

    async def runs(self, query: RunQuery) -> RunPage:
        """The runs that *query* selects, newest first."""
        ...

    async def last_runs(self, jobs: Iterable[str] | None = None) -> dict[str, RunRecord]:
        """The newest run of each job that has one, child runs included; all jobs if *jobs* is None."""
        ...

    async def attempts(self, run_id: str) -> list[AttemptRecord]:
        """The attempts of a run, in order. RunNotFound if there is no such run."""
        ...

    async def late_outcome(self, run_id: str) -> Outcome | None:
        """What the last fenced ``finish`` of a run reported, None if there was none. RunNotFound."""
        ...

    # -- log lines ------------------------------------------------------------------------------

    async def add_log_lines(self, run_id: str, lines: Sequence[LogLine]) -> None:
        """Keep *lines*; one whose sequence is already there replaces it. RunNotFound."""
        ...

    async def log_lines(self, run_id: str, *, after: int = 0, limit: int = 1000) -> list[LogLine]:
        """Lines with a sequence above *after*, in order, at most *limit*. RunNotFound."""
        ...

    # -- upkeep ---------------------------------------------------------------------------------

    async def prune(self, before: datetime) -> int:
        """Delete finished runs (their attempts, lines and dead letters too) that were queued and finished
        before *before*; how many.

        Runs that wait for a sink stay until they were delivered or given up, or the sink was removed, and
        those with an abandoned thread until that has ended. What else explains the time before *before* goes
        with them: spans and pauses that had ended then, events, and replicas that were last heard of then.
        The marks of jobs stay, for ever.
        It may work in portions, so that others can write meanwhile; a cancelled call keeps what it did.
        """
        ...
