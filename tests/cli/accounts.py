"""A store in which schedulers came and went: ticks that ran and did not, as a scheduler writes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from jobkit.processes import ProcessIdentity
from jobkit.records import RunRecord, TickSpan, new_run_id
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import LeaseRequest, NewRun, Outcome
from jobkit.stores.ledger import Claim, JobKey, JobRegistration, Span
from jobkit.stores.ledger_store import Overlap, SpanReason
from jobkit.stores.replicas import Event, Replica
from jobkit.stores.sqlite.store import SqliteStore

SECOND = timedelta(seconds=1)
HASH = "the present schedule"


def utc(text: str) -> datetime:
    """An instant of UTC; a time of day is one of the day that screens are looked at."""
    return datetime.fromisoformat(text if "-" in text else f"2026-11-22T{text}").replace(tzinfo=UTC)


class Account:
    """The store of the project at *root*, written at times of one's choosing."""

    def __init__(self, root: Path, start: str = "2026-11-01T00:00:00") -> None:
        self.now = utc(start)
        self.store = SqliteStore(Path(".jobkit/jobkit.db"), project="shop", root=root, now=lambda: self.now)

    async def __aenter__(self) -> Self:
        await self.store.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.store.__aexit__(kind, error, traceback)

    def at(self, text: str) -> Self:
        """From now on it is *text*."""
        self.now = utc(text)
        return self

    # -- schedulers -----------------------------------------------------------------------------------

    async def scheduler(
        self, start: str, stop: str | None = None, *, vanishes: bool | None = False, pid: int = 4242,
        schedules: Mapping[str, str] | None = None, stopping: str | None = None,
    ) -> None:  # fmt: skip
        """One that was there from *start* to *stop*; still is at the present, if that is None.

        *vanishes* None: it vanished, and the others have found that out at once. *stopping*: since when it
        claimed no ticks, while its runs were to end.
        """
        self.at(start)
        owner = ProcessIdentity("host-a", "boot-1", "pid:[1]", pid, "1000")
        replica = Replica(
            id=new_run_id(self.now), kind="scheduler", owner=owner, node="host-a", interval=10 * SECOND,
            schedules=schedules or {},
        )  # fmt: skip
        await self.store.register_replica(replica)
        await self._say("scheduler.started", replica)
        self.at(stop or "2026-11-22T13:04:08")
        await self.store.heartbeat(replica.id)
        if stop is not None and vanishes is False:
            since = {} if stopping is None else {"stopping_since": f"{utc(stopping).isoformat()}"}
            await self._say("scheduler.stopped", replica, **since)
        if stop is not None and vanishes is not True:
            await self.store.deregister(replica.id)

    async def _say(self, kind: str, replica: Replica, **more: str) -> None:
        about = {"replica": replica.id, "node": replica.node, "pid": replica.owner.pid, **more}
        await self.store.add_events([Event(kind, self.now, None, None, about)])

    async def scheduled(self, job: str, since: str, *, hash: str = HASH, expected: str | None = None) -> None:
        """Have a job scheduled from *since* on."""
        self.at(since)
        await self.store.register_jobs([JobRegistration(JobKey(job), hash, self.now, expected)])

    async def changed(self, job: str, at: str, *, actor: str | None = None, **data: Any) -> None:
        """Write down what a scheduler found changed about a job."""
        said = {
            "scheduled": True, "enabled": True, "why": "enabled (code x.py:1)", "place": None,
            "schedule": "0 0 3 * * *", "timezone": "Europe/Berlin", "layer": "code", **data,
        }  # fmt: skip
        await self.store.add_events([Event("job.changed", utc(at), job, actor, said)])

    # -- ticks ----------------------------------------------------------------------------------------

    async def _mark(self, job: str) -> datetime | None:
        return (await self.store.job_states([JobKey(job)]))[JobKey(job)].mark

    async def skipped(
        self, job: str, first: str, last: str | None = None, *, reason: SpanReason = "misfire",
        cause: str | None = None, count: int = 1, noticed: str | None = None,
    ) -> None:  # fmt: skip
        """Account for ticks by a span."""
        self.at(noticed or last or first)
        span = Span(job, "", reason, cause, utc(first), utc(last or first), count)
        [claimed] = await self.store.claim(
            [Claim(JobKey(job), await self._mark(job), HASH, span.last, span=span)]
        )
        assert claimed.kind == "span"

    async def claimed(
        self, job: str, tick: str, *, late: float = 0.004, covers: tuple[str, int] | None = None,
        overlap: Overlap = "skip", **options: Any,
    ) -> RunRecord | None:  # fmt: skip
        """Account for a tick by a run that is queued; None if another is in the way."""
        due = utc(tick)
        self.now = due + timedelta(seconds=late)
        first, count = (due, 1) if covers is None else (utc(covers[0]), covers[1])
        trigger = Trigger.SCHEDULE if covers is None else Trigger.CATCHUP
        run = NewRun(
            id=new_run_id(self.now), job=job, extension="web", trigger=trigger, actor="system",
            scheduled_at=due, covers=TickSpan(first, due, count), **options,
        )  # fmt: skip
        claim = Claim(JobKey(job), await self._mark(job), HASH, due, run=run, tick=due, overlap=overlap)
        [answer] = await self.store.claim([claim])
        assert answer.kind in ("run", "span")
        return answer.run

    async def ran(
        self, job: str, tick: str, *, took: float = 1.5, status: RunStatus = RunStatus.SUCCEEDED,
        outcome: Mapping[str, Any] | None = None, **options: Any,
    ) -> RunRecord:  # fmt: skip
        """Account for a tick by a run, and execute it."""
        run = await self.claimed(job, tick, **options)
        assert run is not None
        lease = await self.store.start_attempt(run.id, request())
        assert lease is not None
        self.now += timedelta(seconds=took)
        ended = Outcome(
            status=status, finished_at=self.now, duration_ms=round(took * 1000), **(outcome or {})
        )
        record = await self.store.finish(lease, ended)
        assert record is not None
        return record


def request(owner: ProcessIdentity | None = None) -> LeaseRequest:
    """Somebody who executes a run; this process, which lives."""
    return LeaseRequest(owner or ProcessIdentity.current(), "host-a", timedelta(days=1))
