"""What a store knows about one tick of one job: read once, so that the rest is thought and no waiting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Final

from jobkit.scheduler.presence import Stay, lives, stays
from jobkit.stores.ledger import JobKey, SpanQuery
from jobkit.stores.replicas import EventQuery

if TYPE_CHECKING:
    from jobkit.job import JobSpec
    from jobkit.records import RunRecord
    from jobkit.scheduler.standing import Standing
    from jobkit.schedules.base import Schedule, ScheduleKind
    from jobkit.stores.base import Store
    from jobkit.stores.control import Pause
    from jobkit.stores.ledger import JobState, SpanRecord
    from jobkit.stores.replicas import EventRecord, ReplicaState

#: So many changes of a job are looked through; further ones lie far back.
MOST_CHANGES: Final = 1000
#: So far around a tick steps of a clock are looked for.
_AROUND: Final = timedelta(hours=1)
_TRAFFIC: Final = ("scheduler.started", "scheduler.stopped", "scheduler.vanished")
_MOST_TRAFFIC: Final = 10_000
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Why did (not) *job* run at the tick of *second*? The rest is how things are at *now*.

    *spec* and *standing* are None for a job that is gone: what the store remembers has to do. *second* is a
    whole one, by the clock in *zone*.
    """

    job: str
    second: datetime
    now: datetime
    zone: tzinfo
    retention: timedelta
    spec: JobSpec | None = None
    standing: Standing | None = None
    kinds: Sequence[ScheduleKind] | None = None
    #: The limits of the scheduler.
    limits: Mapping[str, int] = field(default_factory=dict)
    #: The node of whoever asks: a job of every node has its ticks there, too.
    node: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is on record. *runs* account for the tick, as theirs or in what they cover; *spans* hold it.

    *changes* of the job are newest first; *known_since* is the earliest sign of it, None if there is none.
    """

    runs: tuple[RunRecord, ...]
    spans: tuple[SpanRecord, ...]
    states: tuple[JobState, ...]
    changes: tuple[EventRecord, ...]
    pauses: tuple[Pause, ...]
    replicas: tuple[ReplicaState, ...]
    #: By which hashes of its schedule the schedulers that live would make its ticks.
    registered_by: frozenset[str]
    steps: tuple[EventRecord, ...]
    #: Schedulers that came, stopped and vanished, newest first.
    traffic: tuple[EventRecord, ...]
    known_since: datetime | None

    @property
    def stays(self) -> list[Stay]:
        """When schedulers were there."""
        farewells = {
            str(record.event.data.get("replica")): record.event.at
            for record in self.traffic
            if record.event.kind == "scheduler.stopped"
        }
        return stays(self.replicas, farewells)

    def stopping_at(self, instant: datetime) -> tuple[datetime, EventRecord] | None:
        """Since when the scheduler was stopping that claimed no more ticks at *instant*, and its word."""
        for record in self.traffic:
            text = record.event.data.get("stopping_since")
            since = datetime.fromisoformat(text) if isinstance(text, str) else record.event.at
            if record.event.kind == "scheduler.stopped" and since <= instant < record.event.at:
                return since, record
        return None

    def traffic_around(self, instant: datetime) -> tuple[EventRecord, ...]:
        """What a scheduler was last said to do before *instant*, and first after it, newest first."""
        later = [record for record in self.traffic if record.event.at > instant][-1:]
        return tuple(later + [record for record in self.traffic if record.event.at <= instant][:1])

    @property
    def mark(self) -> datetime | None:
        """Up to when the job's ticks are accounted for on every node that has it."""
        return min((state.mark for state in self.states if state.mark is not None), default=None)

    @property
    def registered(self) -> datetime | None:
        """Since when its present schedule is registered."""
        return min((state.since for state in self.states if state.since is not None), default=None)

    def change_at(self, instant: datetime) -> EventRecord | None:
        """What was said last about the job, at or before *instant*."""
        return next((record for record in self.changes if record.event.at <= instant), None)

    def change_after(self, instant: datetime) -> EventRecord | None:
        """What was said first about the job after *instant*."""
        later = [record for record in self.changes if record.event.at > instant]
        return later[-1] if later else None

    def pause_at(self, instant: datetime) -> Pause | None:
        """The pause that *instant* lies in; of several the job's own."""
        holding = [pause for pause in self.pauses if pause.covers(instant)]
        return max(holding, key=lambda pause: pause.job is not None, default=None)


async def gathered(store: Store, question: Question) -> Evidence:
    """What *store* knows about it. StoreError."""
    job, second = question.job, question.second
    replicas = tuple(await store.replicas(hashes=False))
    nodes = {"", question.node, *(state.replica.node for state in replicas)}
    states = await store.job_states([JobKey(job, node) for node in sorted(nodes)])
    changes = (await store.events(EventQuery(kinds=["job.changed"], jobs=[job], limit=MOST_CHANGES))).events
    spans = await store.spans(
        SpanQuery(jobs=[job], since=second, until=second + _MICROSECOND, limit=len(nodes) + 1)
    )
    steps = EventQuery(kinds=["clock.stepped"], since=second - _AROUND, until=second + _AROUND, limit=10)
    return Evidence(
        runs=tuple(await _runs(store, job, second, len(nodes))),
        spans=spans.spans,
        states=tuple(states.values()),
        changes=changes,
        pauses=tuple(pause for pause in await store.pauses(since=second) if pause.job in (None, job)),
        replicas=replicas,
        registered_by=await _registered_by(store, job, replicas, states),
        steps=(await store.events(steps)).events,
        traffic=(await store.events(EventQuery(kinds=_TRAFFIC, limit=_MOST_TRAFFIC))).events,
        known_since=await _known_since(store, job, list(states.values()), changes),
    )


async def _runs(store: Store, job: str, second: datetime, nodes: int) -> list[RunRecord]:
    """The runs of the tick, or else those of a later one that stand for it as well."""
    found = await store.tick_runs(job, since=second, limit=4 * nodes)
    own = [run for run in found if run.scheduled_at == second]
    covering = [run for run in found if run.covers is not None and run.covers.first <= second]
    return own or covering


async def _registered_by(
    store: Store, job: str, replicas: Sequence[ReplicaState], states: Mapping[JobKey, JobState]
) -> frozenset[str]:
    live = [each.replica.id for each in replicas if each.replica.kind == "scheduler" and lives(each)]
    if not live or not states:
        return frozenset()
    known = [each.replica.schedules for each in await store.replicas(live)]
    return frozenset(said[str(key)] for said in known for key in states if str(key) in said)


async def _known_since(
    store: Store, job: str, states: Sequence[JobState], changes: Sequence[EventRecord]
) -> datetime | None:
    signs = [state.since for state in states if state.since is not None]
    signs += [changes[-1].event.at] if changes else []
    for run in await store.tick_runs(job, since=_FIRST, limit=1):
        signs += [at for at in (run.scheduled_at, run.queued_at) if at is not None]
    return min(signs, default=None)


def schedule_then(question: Question, evidence: Evidence) -> tuple[Schedule | None, bool]:
    """The schedule that was in force at the tick, and whether that is known for certain."""
    then = evidence.change_at(question.second)
    if then is None:
        # Nothing is written about a job that is scheduled from its first sight on, until it changes.
        later = evidence.change_after(question.second)
        present = None if question.spec is None else question.spec.times
        if later is None:
            return present, True
        text = later.event.data.get("schedule")
        same = question.spec is not None and text == question.spec.schedule_text
        return (present, True) if same else (None, False)
    return schedule_of(question, then), True


def schedule_of(question: Question, record: EventRecord) -> Schedule | None:
    """The schedule that a change says the job had from then on."""
    from jobkit.exceptions import ScheduleError
    from jobkit.schedules import BUILTIN_KINDS, parse_schedule

    data, spec = record.event.data, question.spec
    text, zone = data.get("schedule"), data.get("timezone") or "UTC"
    if not isinstance(text, str) or not text:
        return None
    present = None if spec is None or text != spec.schedule_text else spec.times
    if present is not None and zone == present.timezone:
        return present
    written = text.split(" | ")
    try:
        return parse_schedule(
            written[0] if len(written) == 1 else written,
            timezone=str(zone),
            name=question.job,
            kinds=question.kinds or BUILTIN_KINDS,
        )
    except ScheduleError:
        return None  # a plugin's kind that is not there any more
