"""What a store, and a project, say of their schedulers at one moment: what the checks of health look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from jobkit.scheduler.presence import lives
from jobkit.scheduler.tardiness import late_jobs
from jobkit.statuses import RunStatus
from jobkit.stores.base import RunQuery
from jobkit.stores.replicas import EventQuery

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.exceptions import JobkitError
    from jobkit.job import JobSpec
    from jobkit.records import RunRecord
    from jobkit.scheduler.tardiness import Late
    from jobkit.stores.base import SchemaStatus, Store
    from jobkit.stores.control import Pause
    from jobkit.stores.ledger import JobKey, JobState
    from jobkit.stores.outbox import SinkState
    from jobkit.stores.replicas import EventRecord, ReplicaState

#: So long a step of the clock is worth a word.
STEPS_WITHIN: Final = timedelta(days=1)
#: A run that waits for so long, though it might start, is looked at.
WAITING_FOR: Final = timedelta(minutes=5)
_PAGE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One moment; *now* is the store's clock. *live* and *gone* are replicas, *waiting* the runs that have
    been queued for longer than :data:`WAITING_FOR`; of these nothing keeps *startable*, and only a limit
    *limited*.
    """

    now: datetime
    store: str
    schema: SchemaStatus | None = None
    live: Sequence[ReplicaState] = ()
    gone: Sequence[ReplicaState] = ()
    #: When replicas, by id, said that they stopped.
    farewells: Mapping[str, datetime] = field(default_factory=dict)
    states: Mapping[JobKey, JobState] = field(default_factory=dict)
    late: Mapping[str, Late] = field(default_factory=dict)
    steps: Sequence[EventRecord] = ()
    sinks: Sequence[SinkState] = ()
    pauses: Sequence[Pause] = ()
    waiting: Sequence[RunRecord] = ()
    startable: frozenset[str] = frozenset()
    limited: frozenset[str] = frozenset()
    #: Where ``[scheduler] enabled = false`` is written; None if schedulers may fire.
    off: str | None = None
    timezone: str = "UTC"
    #: Files that could not be loaded, and jobs by name, each with what is wrong with it.
    broken: Sequence[JobkitError] = ()
    errors: Mapping[str, JobkitError] = field(default_factory=dict)


async def take(
    store: Store, jobs: Mapping[str, JobSpec], broken: Sequence[JobkitError], config: Config
) -> Snapshot:
    """Look at *store*, which is entered, and at the project. Raises StoreError."""
    now = await store.now()
    replicas = await store.replicas(hashes=False)
    ids = frozenset(state.replica.id for state in replicas if lives(state))
    steps = await store.events(EventQuery(kinds=("clock.stepped",), since=now - STEPS_WITHIN, limit=10))
    stopped = await store.events(EventQuery(kinds=("scheduler.stopped",), limit=_PAGE))
    waiting, startable, limited = await _waiting(store, config, now)
    scheduler = config.scheduler
    return Snapshot(
        now=now,
        store=store.url,
        schema=await store.schema(),
        live=await store.replicas(ids) if ids else [],
        gone=[state for state in replicas if state.replica.id not in ids],
        farewells={str(each.event.data.get("replica")): each.event.at for each in stopped.events},
        states=await store.job_states(),
        late=await late_jobs(store, jobs, config, now),
        steps=steps.events,
        sinks=await store.sinks(),
        pauses=await store.pauses(),
        waiting=waiting,
        startable=startable,
        limited=limited,
        off=None if scheduler.enabled else config.origin(("scheduler", "enabled")).describe(config.root),
        timezone=scheduler.timezone,
        broken=broken,
        errors={
            name: spec.error
            for name, spec in jobs.items()
            if spec.error is not None and spec.error not in broken
        },
    )


async def _waiting(
    store: Store, config: Config, now: datetime
) -> tuple[list[RunRecord], frozenset[str], frozenset[str]]:
    """Runs that have waited for long; the ids of those that nothing keeps, and of those that a limit does."""
    page = await store.runs(RunQuery(statuses=(RunStatus.QUEUED,), until=now - WAITING_FOR, limit=_PAGE))
    if not page.runs:
        return [], frozenset(), frozenset()
    free = await store.queued(limits=config.scheduler.limits, limit=_PAGE)
    without_limits = await store.queued(limit=_PAGE)
    startable = frozenset(run.id for run in free)
    limited = frozenset(run.id for run in without_limits) - startable
    return [*page.runs], startable, limited
