"""Which jobs are late: what the store knows of each, held against the rule of :mod:`~.lateness`."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from jobkit.records import format_instant
from jobkit.scheduler.lateness import late
from jobkit.scheduler.policies import Pause, Policy, second_of
from jobkit.scheduler.standing import job_key, schedule_hash, standing
from jobkit.scheduler.ticks import Job
from jobkit.schedules.base import from_epoch

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.job import JobSpec
    from jobkit.stores.base import Store
    from jobkit.stores.control import Pause as KeptPause
    from jobkit.stores.ledger import JobKey, JobState, Punctuality
    from jobkit.stores.replicas import ReplicaState

_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Late:
    """A job that should have succeeded by now. *tick* is the newest that should be done, *succeeded* the
    newest that is, *since* when the time for *tick* was over; *node* is ``""`` for a job of the deployment.
    """

    job: str
    node: str
    tick: datetime
    since: datetime
    succeeded: datetime | None

    def to_json(self) -> dict[str, Any]:
        """As ``--json`` gives it."""
        return {
            "job": self.job,
            "node": self.node,
            "tick": format_instant(self.tick),
            "since": format_instant(self.since),
            "succeeded": None if self.succeeded is None else format_instant(self.succeeded),
        }


@dataclass(frozen=True, slots=True)
class Watched:
    """One scheduled job on one node, and what decides whether it is late."""

    key: JobKey
    job: Job
    since: datetime
    punctuality: Punctuality
    #: Ticks before this may have had runs that were pruned.
    known_from: datetime

    def late(self, now: datetime) -> Late | None:
        """How late it is at *now*; None if it is not."""
        first = self.next_look()
        if first is None or first >= now:
            return None  # nearly always; and looking back, for the newest tick, is slow
        done, p95 = self.punctuality.tick, self.punctuality.p95
        since = max(self.since, self.known_from)
        tick = late(self.job, since=since, succeeded=done, p95=p95, now=now)
        if tick is None:
            return None
        return Late(self.key.job, self.key.node, tick, self._over(second_of(tick)), done)

    def next_look(self) -> datetime | None:
        """When it can become late at the earliest, as far as is known now; None for never.

        That is when the time is over of the first tick, outside pauses, after the newest that is done. One
        that has passed already says that it is late.
        """
        done = self.punctuality.tick
        after = max(self.since, self.known_from)
        tick = self.job.schedule.next_epoch(second_of(after if done is None else max(done, after)))
        while tick is not None:
            pauses = [pause for pause in self.job.pauses if pause.holds(tick)]
            if not pauses:
                return self._over(tick)
            if any(pause.until is None for pause in pauses):
                return None
            tick = self.job.schedule.next_epoch(max(pause.last for pause in pauses))
        return None

    def _over(self, tick: int) -> datetime:
        p95 = self.punctuality.p95
        twice = 0 if p95 is None else 2 * p95 // _MICROSECOND
        allowed = max(self.job.policy.grace_at(tick, self.job.schedule), twice)
        return from_epoch(tick) + timedelta(microseconds=allowed)


async def watched(
    store: Store, jobs: Iterable[JobSpec], config: Config, now: datetime, nodes: Collection[str] | None = None
) -> list[Watched]:
    """Those of *jobs* that are scheduled and registered as they are here, with what decides about them.

    Jobs that every node has for itself count on *nodes*; None: where a scheduler lives, and here. Raises
    StoreError.
    """
    if not config.scheduler.enabled:
        return []
    specs = [spec for spec in jobs if spec.times is not None and standing(spec, config).scheduled]
    if not specs:
        return []
    if nodes is None:
        nodes = nodes_of(await store.replicas(hashes=False)) | {node_here(config)}
    wanted = {job_key(spec, node): spec for spec in specs for node in nodes}
    states = await store.job_states(wanted)
    due = {
        key: spec
        for key, spec in wanted.items()
        if key in states and states[key].hash == schedule_hash(spec, key.node)
    }
    if not due:
        return []
    since = min(_since(states[key]) for key in due)
    pauses = await store.pauses(since=since)
    punctual = await store.punctuality(due)
    known_from = now - config.scheduler.retention
    return [
        Watched(key, _job(spec, pauses), _since(states[key]), punctual[key], known_from)
        for key, spec in due.items()
    ]


async def late_jobs(
    store: Store, jobs: Mapping[str, JobSpec], config: Config, now: datetime
) -> dict[str, Late]:
    """The jobs that are late at *now*, by the store's clock, by name; of several nodes the one that has been
    late for the longest time.

    A job is not late that is not scheduled, was never registered, or is registered with another schedule
    than it has here. Raises StoreError.
    """
    found: dict[str, Late] = {}
    for each in await watched(store, jobs.values(), config, now):
        one = each.late(now)
        if one is not None and (one.job not in found or one.since < found[one.job].since):
            found[one.job] = one
    return found


def nodes_of(replicas: Iterable[ReplicaState]) -> frozenset[str]:
    """The nodes on which a scheduler lives."""
    return frozenset(
        state.replica.node for state in replicas if state.live and state.replica.kind == "scheduler"
    )


def node_here(config: Config) -> str:
    """The node that a scheduler on this host would be."""
    return config.scheduler.node or socket.gethostname()


def _since(state: JobState) -> datetime:
    assert state.since is not None, "a registered job knows since when it is"
    return state.since


def _job(spec: JobSpec, pauses: Iterable[KeptPause]) -> Job:
    assert spec.times is not None, "a scheduled job has times"
    mine = tuple(Pause(each.since, each.end) for each in pauses if each.job in (None, spec.name))
    return Job(spec.name, spec.times, Policy.of(spec), mine)
